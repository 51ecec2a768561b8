import asyncio
import threading

import pytest

from farfield_kernel import executors
from farfield_kernel.errors import DeadlineExceeded, PluginFailure
from farfield_kernel.executors import Loop, Pools, Threads, within


async def test_within_tells_its_own_timeout_from_the_callers() -> None:
    async def own() -> None:
        raise TimeoutError("of the plugin's own")

    with pytest.raises(TimeoutError, match="of the plugin's own"):
        await within(10, own())
    with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.01 seconds"):
        await within(0.01, asyncio.Event().wait())


async def test_threads_give_results_and_errors() -> None:
    threads = Threads(2)

    def fail() -> None:
        raise KeyError("lost")

    assert await threads.run(lambda a, b: a + b, 1, 2, timeout=10) == 3
    with pytest.raises(KeyError, match="lost"):
        await threads.run(fail, timeout=10)
    threads.close()


async def test_an_exit_in_a_thread_is_an_error_of_the_call() -> None:
    threads = Threads(1)

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await threads.run(leave, timeout=10)
    assert await threads.run(lambda: 1, timeout=10) == 1
    threads.close()


async def test_no_more_calls_at_once_than_threads() -> None:
    threads, gate, running = Threads(2), threading.Event(), []

    def work() -> int:
        running.append(1)
        assert gate.wait(10)
        return len(running)

    calls = [asyncio.ensure_future(threads.run(work, timeout=10)) for _ in range(5)]
    while len(running) < 2:  # noqa: ASYNC110 — threads, not tasks, are waited for
        await asyncio.sleep(0.001)
    assert len(running) == 2
    gate.set()
    assert len(await asyncio.gather(*calls)) == 5
    threads.close()


async def test_a_hung_thread_is_replaced_and_ends_when_it_comes_back() -> None:
    threads, gate, left = Threads(1), threading.Event(), threading.Event()

    def hang() -> None:
        gate.wait(10)
        threading.current_thread()._left = Leaves(left)  # type: ignore[attr-defined]

    with pytest.raises(DeadlineExceeded):
        await threads.run(hang, timeout=0.02)
    assert await threads.run(lambda: 7, timeout=10) == 7
    gate.set()
    assert await asyncio.to_thread(left.wait, 10)
    threads.close()


async def test_a_plugin_with_too_many_hung_threads_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "MOST_LOST", 2)
    threads, gate = Threads(4), threading.Event()
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            await threads.run(lambda: gate.wait(60), timeout=0.01)
    with pytest.raises(PluginFailure, match="2 of its calls hang in threads"):
        await threads.run(lambda: 1, timeout=10)
    gate.set()
    while threads._lost:  # noqa: ASYNC110 — threads, not tasks, are waited for
        await asyncio.sleep(0.001)
    assert await threads.run(lambda: 7, timeout=10) == 7
    threads.close()


async def test_a_plugin_that_holds_all_its_threads_holds_no_others() -> None:
    pools, gate = Pools(1), threading.Event()
    held = asyncio.ensure_future(pools.threads("hung").run(lambda: gate.wait(60), timeout=60))
    assert await pools.threads("other").run(lambda: 7, timeout=10) == 7
    assert pools.threads("hung") is pools.threads("hung")
    assert pools.loop("hung") is pools.loop("hung")
    gate.set()
    assert await held
    pools.close()


async def test_an_exit_in_a_loop_is_an_error_of_the_call() -> None:
    loop = Loop("test")

    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await loop.run(leave, timeout=10)
    assert await loop.run(lambda: 5, timeout=10) == 5
    loop.close()


class Leaves:
    """Tells when it is forgotten, as a thread's attributes are once it ended."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __del__(self) -> None:
        self._event.set()


async def test_a_loop_of_its_own_runs_coroutines() -> None:
    loop = Loop("test")

    async def add(a: int, b: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return a + b, threading.current_thread().name

    assert await loop.run(add, 1, 2, timeout=10) == (3, "loop-test")
    assert await loop.run(lambda: 5, timeout=10) == 5
    loop.close()


async def test_a_late_coroutine_is_cancelled() -> None:
    loop, cancelled = Loop("test"), threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(DeadlineExceeded):
        await loop.run(hang, timeout=0.02)
    assert await asyncio.to_thread(cancelled.wait, 10)
    loop.close()


async def test_a_blocked_loop_is_replaced_and_costs_only_the_call_that_blocks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executors, "ANSWER_SECONDS", 0.01)
    loop, gate, left = Loop("test"), threading.Event(), threading.Event()

    async def block() -> None:
        gate.wait(60)
        threading.current_thread()._left = Leaves(left)  # type: ignore[attr-defined]

    async def one() -> int:
        return 1

    calls = (loop.run(block, timeout=0.05), loop.run(one, timeout=0.05))
    blocked, beside = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(blocked, DeadlineExceeded)
    assert beside == 1
    assert await loop.run(one, timeout=10) == 1
    gate.set()
    assert await asyncio.to_thread(left.wait, 10)  # the old loop ends once it comes back
    loop.close()
