"""Many calls over one long-lived stream: requests of one pass of the event loop go out in one message,
results come in any order and find their callers by key."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextvars import Context
from typing import Any, Generic, TypeVar

from farfield_kernel.batching import settle
from farfield_kernel.errors import (
    DeadlineExceeded,
    FarfieldError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    translated,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

_MESSAGE_BYTES = 8 * 1024 * 1024


class Outbox(Generic[Item]):
    """What one stream has still to send. A stream that broke takes its outbox with it: its iterator may
    live on for a while, and must not take what belongs to its successor."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Item, int]] = []
        self._news = asyncio.Event()
        self._ended = False

    def put(self, item: Item, size: int) -> None:
        self._waiting.append((item, size))
        self._news.set()

    def end(self) -> None:
        """The stream is over: its iterator ends too, which gRPC would leave waiting."""
        self._ended = True
        self._news.set()

    async def messages(self, pack: Callable[[list[Item]], Any]) -> AsyncIterator[Any]:
        while True:
            await self._news.wait()
            if self._ended:
                return
            yield pack(self._take())

    def _take(self) -> list[Item]:
        """What goes into one message: at least one item, and no more than fits."""
        room, count = _MESSAGE_BYTES, 0
        for _, size in self._waiting:
            room -= size
            if room < 0 and count:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting:
            self._news.clear()
        return [item for item, _ in taken]


class Exchange(Generic[Item, Result]):
    """`method` is the stub's stream; `pack` makes a request of items, `unpack` gives (key, result or
    exception) of a response. A stream that breaks fails its open calls with Unavailable; the next
    call opens another one."""

    def __init__(
        self,
        method: Callable[[AsyncIterator[Any]], AsyncIterator[Any]],
        pack: Callable[[list[Item]], Any],
        unpack: Callable[[Any], Iterable[tuple[Hashable, Result | Exception]]],
        timeout_seconds: float,
    ) -> None:
        self._method, self._pack, self._unpack = method, pack, unpack
        self._timeout = timeout_seconds
        self._pending: dict[Hashable, asyncio.Future[Result]] = {}
        self._outbox: Outbox[Item] | None = None
        self._stream: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Calls that wait for their result."""
        return len(self._pending)

    async def call(self, key: Hashable, item: Item, size: int) -> Result:
        """The result of an item of `size` bytes. A call that comes again under its key takes the
        place of the former."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._pending[key] = future
        self._open().put(item, size)
        late = DeadlineExceeded(f"no result within {self._timeout:g} seconds")
        deadline = loop.call_later(self._timeout, settle, future, late)
        try:
            return await future
        finally:
            deadline.cancel()
            if self._pending.get(key) is future:
                del self._pending[key]

    async def close(self) -> None:
        if self._stream:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)

    def _open(self) -> Outbox[Item]:
        if self._outbox is None:
            self._outbox = Outbox()
            # The stream belongs to all episodes: it must not carry the log ids of the first one.
            serving = self._serve(self._outbox)
            self._stream = asyncio.get_running_loop().create_task(serving, context=Context())
        return self._outbox

    async def _serve(self, outbox: Outbox[Item]) -> None:
        error: FarfieldError = Unavailable("the stream ended")
        try:
            async with translated():
                async for response in self._method(outbox.messages(self._pack)):
                    for key, result in self._unpack(response):
                        if future := self._pending.pop(key, None):
                            settle(future, result)
        except FarfieldError as failure:
            error = _of_stream(failure)
        finally:
            outbox.end()
            self._break(error)

    def _break(self, error: FarfieldError) -> None:
        pending, self._pending, self._outbox = self._pending, {}, None
        for future in pending.values():
            settle(future, error)


def _of_stream(error: FarfieldError) -> FarfieldError:
    """Results carry their own errors, so a stream that fails says only that the peer is away."""
    if isinstance(error, Unavailable | Unauthenticated | Unimplemented):
        return error
    return Unavailable(f"the stream broke: {error}")
