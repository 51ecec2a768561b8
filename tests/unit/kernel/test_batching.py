"""Calls of one pass of the loop go out together; every caller gets its own result."""

import asyncio

import pytest

from farfield_kernel import logs
from farfield_kernel.batching import Batcher, by_key


class Doubler:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.ids: list[dict] = []

    async def send(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        self.ids.append(dict(logs.ids()))
        await self.gate.wait()
        return [ValueError(item) if item < 0 else 2 * item for item in items]


async def test_concurrent_calls_are_one_batch() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send)
    assert await asyncio.gather(*map(batcher.call, range(64))) == [2 * item for item in range(64)]
    assert doubler.batches == [list(range(64))]


async def test_a_batch_is_bounded() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send, limit=10)
    await asyncio.gather(*map(batcher.call, range(25)))
    assert list(map(len, doubler.batches)) == [10, 10, 5]


async def test_a_batch_waits_for_company_until_it_is_full() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send, limit=3, wait_seconds=3600)
    calls = []
    for item in range(3):
        assert doubler.batches == []
        calls.append(asyncio.create_task(batcher.call(item)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*calls) == [0, 2, 4]
    assert doubler.batches == [[0, 1, 2]]


async def test_a_batch_that_is_not_full_goes_when_its_time_is_over() -> None:
    doubler = Doubler()
    assert await Batcher(doubler.send, limit=3, wait_seconds=0.001).call(1) == 2
    assert doubler.batches == [[1]]


async def test_what_comes_while_batches_are_under_way_waits_and_goes_together() -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = Batcher(doubler.send, in_flight=1)
    calls = []
    for item in range(5):
        calls.append(asyncio.create_task(batcher.call(item)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert doubler.batches == [[0]]
    doubler.gate.set()
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0], [1, 2, 3, 4]]


async def test_an_error_belongs_to_its_own_call() -> None:
    batcher = Batcher(Doubler().send)
    results = await asyncio.gather(*map(batcher.call, [1, -1, 2]), return_exceptions=True)
    assert results[0::2] == [2, 4]
    assert isinstance(results[1], ValueError)


async def test_a_failed_send_fails_all_of_its_calls_and_no_others() -> None:
    async def send(items: list[int]) -> list[int | Exception]:
        if 13 in items:
            raise OSError("broken")
        return list(items)

    batcher = Batcher(send, limit=2)
    results = await asyncio.gather(*map(batcher.call, [1, 13, 3, 4]), return_exceptions=True)
    assert [isinstance(result, OSError) for result in results] == [True, True, False, False]


async def test_a_caller_that_left_is_not_sent_for() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send)
    leaving = batcher.submit(1)
    leaving.cancel()
    assert await batcher.call(2) == 4
    assert doubler.batches == [[2]]


async def test_a_batch_carries_the_ids_of_nobody() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send)
    with logs.bound(episode="first"):
        await batcher.call(1)
    assert doubler.ids == [{}]


async def test_flush_waits_for_what_nobody_awaits() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.send, limit=2)
    for item in (1, -1, 3):
        batcher.submit(item)
    await batcher.flush()
    assert doubler.batches == [[1, -1], [3]]


async def test_items_are_sent_by_key_and_answered_in_order() -> None:
    sent = []

    async def send(items: list[int]) -> list[int | Exception]:
        sent.append(items)
        if items[0] % 3 == 2:
            raise OSError("no such group")
        return [10 * item for item in items]

    results = await by_key([0, 1, 2, 3, 4], lambda item: item % 3, send)
    assert sent == [[0, 3], [1, 4], [2]]
    assert isinstance(results[2], OSError)
    assert [result for result in results if isinstance(result, int)] == [0, 10, 30, 40]


async def test_a_cancelled_batch_cancels_its_callers() -> None:
    async def send(items: list[int]) -> list[int | Exception]:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Batcher(send).call(1)
