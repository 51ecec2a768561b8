"""Concurrent calls that are made within one pass of the event loop go out as one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gathers items for `send`, which answers each with a result or the exception to raise.

    While `in_flight` batches are under way further items wait: batches grow with the load, and a lone
    call waits for nobody, unless `wait_seconds` lets a batch that is not full wait for company.
    """

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        limit: int = 256,
        in_flight: int = 4,
        wait_seconds: float = 0,
    ) -> None:
        self._send, self._limit, self._room, self._wait_seconds = send, limit, in_flight, wait_seconds
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._scheduled: asyncio.Handle | None = None
        self._filling = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def call(self, item: Item) -> Result:
        return await self.submit(item)

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """The future of an item's result; a call that nobody awaits may drop it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_seen)
        self._waiting.append((item, future))
        self._schedule()
        return future

    async def flush(self) -> None:
        """Waits until everything submitted so far is answered."""
        while self._waiting or self._under_way:
            pending: list[asyncio.Future[Any]] = [future for _, future in self._waiting]
            await asyncio.wait([*pending, *self._under_way], return_when=asyncio.FIRST_COMPLETED)

    def _schedule(self) -> None:
        """The next batch starts in this pass of the loop, or is given its time to fill up."""
        if not self._room:
            return
        soon = not self._wait_seconds or len(self._waiting) >= self._limit
        if self._scheduled and self._filling and soon:
            self._scheduled.cancel()
            self._scheduled = None
        if self._scheduled is None:
            loop, self._filling = asyncio.get_running_loop(), not soon
            self._scheduled = (
                loop.call_soon(self._start) if soon else loop.call_later(self._wait_seconds, self._start)
            )

    def _start(self) -> None:
        self._scheduled = None
        live = [pair for pair in self._waiting if not pair[1].done()]
        batch, self._waiting = live[: self._limit], live[self._limit :]
        if not batch:
            return
        self._room -= 1
        # A batch belongs to many episodes: it must not carry the log ids of the one that came first.
        task = asyncio.get_running_loop().create_task(self._play(batch), context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if self._waiting:
            self._schedule()

    async def _play(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results: Sequence[Result | Exception] = await self._send([item for item, _ in batch])
        except Exception as error:  # whatever it is, it belongs to those who called
            results = [error] * len(batch)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        finally:
            self._room += 1
            if self._waiting:
                self._schedule()
        for (_, future), result in zip(batch, results, strict=True):
            settle(future, result)


async def by_key(
    items: Sequence[Item],
    key: Callable[[Item], Hashable],
    send: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
) -> list[Result | Exception]:
    """Sends items in groups of one key each, and answers in the items' order. What a group's `send`
    raises is the answer to each of its items."""
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(key(item), []).append(index)
    calls = [send([items[index] for index in members]) for members in groups.values()]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    results: dict[int, Result | Exception] = {}
    for members, answer in zip(groups.values(), answers, strict=True):
        if isinstance(answer, Exception):
            results.update((index, answer) for index in members)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            results.update(zip(members, answer, strict=True))
    return [results[index] for index in range(len(items))]


def settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    """Gives a future its result or its exception, unless its caller has left."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _seen(future: asyncio.Future[Result]) -> None:
    """An error that nobody awaits any more is no news to the event loop."""
    if not future.cancelled():
        future.exception()
