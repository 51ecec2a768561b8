import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farfield_kernel import processes as module
from farfield_kernel.errors import DeadlineExceeded, PluginFailure
from farfield_kernel.processes import OutOfMemory, ProcessDied, Processes

GUEST = """
import os, time

def make(argument):
    if argument == b"bad":
        raise ValueError("cannot be made")
    return Guest(argument)

class Guest:
    def __init__(self, argument):
        self.argument, self.calls = argument, 0
    def pid(self, _):
        return str(os.getpid()).encode()
    def count(self, _):
        self.calls += 1
        return b"%b %d" % (self.argument, self.calls)
    def echo(self, argument):
        return argument
    def fail(self, _):
        raise KeyError("lost\\nit")
    def leave(self, _):
        raise SystemExit(3)
    def die(self, _):
        os._exit(7)
    def crash(self, _):
        import ctypes
        ctypes.string_at(0)
    def grow(self, _):
        self.held = b"x" * (200 * 1024 * 1024)
        return b"grown"
    def hang(self, _):
        time.sleep(3600)
    def say(self, _):
        print("to the log, not into the answer")
        return b"said"
    def secret(self, _):
        return os.environ.get("FARFIELD_TOKEN", "none").encode()
"""


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest's module, importable here and in children."""
    (tmp_path / "farfield_guest.py").write_text(GUEST)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FARFIELD_TOKEN", "secret")


@pytest.fixture
async def processes(guests: None) -> AsyncIterator[Processes]:
    opened = Processes(idle=1)
    yield opened
    await opened.close()


async def test_the_life_of_a_child(processes: Processes) -> None:
    guest = await processes.open("p", "farfield_guest:make", b"one")
    assert await guest.call("count", timeout=10) == b"one 1"
    assert await guest.call("count", timeout=10) == b"one 2"
    assert await guest.call("echo", b"\0\n" * 500_000, timeout=10) == b"\0\n" * 500_000
    assert await guest.call("say", timeout=10) == b"said"
    assert await guest.call("secret", timeout=10) == b"none"
    for method, says in (
        ("fail", "KeyError: 'lost"),
        ("leave", "SystemExit: 3"),
        ("unknown", "AttributeError"),
    ):
        with pytest.raises(PluginFailure, match=says):
            await guest.call(method, timeout=10)
    pid = await guest.call("pid", timeout=10)
    processes.release("p", guest)

    again = await processes.open("p", "farfield_guest:make", b"one", again=True)
    assert await again.call("count", timeout=10) == b"one 3"
    processes.release("p", again)

    fresh = await processes.open("p", "farfield_guest:make", b"one")
    assert await fresh.call("count", timeout=10) == b"one 1"
    assert await fresh.call("pid", timeout=10) == pid
    with pytest.raises(ProcessDied, match="its process died: exit status 7"):
        await fresh.call("die", timeout=10)
    assert not fresh.alive


async def test_a_late_child_is_killed_and_not_used_again(processes: Processes) -> None:
    guest = await processes.open("p", "farfield_guest:make", b"one")
    with pytest.raises(DeadlineExceeded, match="no answer within"):
        await guest.call("hang", timeout=0.1)
    processes.release("p", guest)
    with pytest.raises(PluginFailure, match="ValueError: cannot be made"):
        await processes.open("p", "farfield_guest:make", b"bad")
    other = await processes.open("p", "farfield_guest:make", b"two")
    assert other is not guest
    call = asyncio.ensure_future(other.call("hang", timeout=60))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not other.alive


async def test_a_crash_is_named_by_its_signal(processes: Processes) -> None:
    guest = await processes.open("p", "farfield_guest:make", b"one")
    with pytest.raises(ProcessDied, match="its process died: SIGSEGV"):
        await guest.call("crash", timeout=10)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell")
async def test_a_child_that_holds_too_much_memory_is_killed_though_no_call_is_running(
    guests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    processes = Processes(memory=150)
    guest = await processes.open("p", "farfield_guest:make", b"one")
    other = await processes.open("p", "farfield_guest:make", b"two")
    try:
        await guest.call("grow", timeout=20)
    except OutOfMemory:
        pass  # it was caught in the act
    else:
        while not guest.gone:  # noqa: ASYNC110 — the operating system is waited for
            await asyncio.sleep(0.01)
        with pytest.raises(OutOfMemory, match="and 150 MiB are allowed"):
            await guest.call("count", timeout=10)
    assert await other.call("count", timeout=10) == b"two 1"
    await processes.close()


async def test_a_child_that_answered_many_calls_is_not_kept(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALLS", 3)
    guest = await processes.open("p", "farfield_guest:make", b"one")
    for _ in range(2):
        await guest.call("count", timeout=10)
    processes.release("p", guest)
    assert not guest.alive
