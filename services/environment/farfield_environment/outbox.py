"""Results on their way to a stream: whatever is ready when the stream can write goes out together."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_WAITING = 1024
"""Results that may wait for a slow reader before no more requests are read."""


class Outbox(Generic[T]):
    """Iterates over lists of results, until it is closed and nothing is awaited any more."""

    def __init__(self) -> None:
        self._ready: list[T] = []
        self._awaited: set[asyncio.Future[T]] = set()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def put(self, result: T | asyncio.Future[T]) -> None:
        """A result, or a future of one that does not raise."""
        if isinstance(result, asyncio.Future):
            self._awaited.add(result)
            result.add_done_callback(self._arrived)
        else:
            self._ready.append(result)
            self._news.set()
        if len(self._ready) + len(self._awaited) >= MOST_WAITING:
            self._room.clear()

    async def room(self) -> None:
        await self._room.wait()

    def close(self) -> None:
        """No more results are put."""
        self._closed = True
        self._news.set()

    def _arrived(self, future: asyncio.Future[T]) -> None:
        self._awaited.discard(future)
        if not future.cancelled():
            self._ready.append(future.result())
        self._news.set()

    def __aiter__(self) -> "Outbox[T]":
        return self

    async def __anext__(self) -> list[T]:
        while not self._ready:
            if self._closed and not self._awaited:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        ready, self._ready = self._ready, []
        self._room.set()
        return ready
