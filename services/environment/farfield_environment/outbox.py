"""Results on their way to a stream: whatever is ready when the stream can write goes out together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb

MOST_WAITING = 1024
"""Results that may wait for a slow reader before no more requests are read."""


class Outbox:
    """Iterates over responses, until it is closed and nothing is awaited any more."""

    def __init__(self) -> None:
        self._response = pb.RolloutResponse()
        self._results = self._response.results
        self._awaited: set[asyncio.Future[pb.StepResult]] = set()
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._closed = False

    def add(self, session_id: str, turn: int) -> pb.StepResult:
        """A result of the next response, to be filled in before `send`."""
        return self._results.add(session_id=session_id, turn=turn)

    def take_back(self) -> pb.StepResult:
        """The result added last, which is no part of the response any more."""
        return self._results.pop()

    def wait_for(self, result: Coroutine[Any, Any, pb.StepResult]) -> None:
        """A result that comes later and does not raise."""
        future = asyncio.ensure_future(result)
        self._awaited.add(future)
        future.add_done_callback(self._arrived)

    def send(self) -> None:
        """Lets the stream write what was added."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def room(self) -> None:
        """Waits while too many results do."""
        while len(self._results) + len(self._awaited) >= MOST_WAITING and not self._closed:
            self._room.clear()
            await self._room.wait()

    def close(self) -> None:
        """No more results are added."""
        self._closed = True
        self._room.set()
        self.send()

    def _arrived(self, future: asyncio.Future[pb.StepResult]) -> None:
        self._awaited.discard(future)
        if not future.cancelled():
            self._results.append(future.result())
        self._room.set()
        self.send()

    def __aiter__(self) -> "Outbox":
        return self

    async def __anext__(self) -> pb.RolloutResponse:
        while not self._results:
            if self._closed and not self._awaited:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        ready = self._response
        self._response = pb.RolloutResponse()
        self._results = self._response.results
        self._room.set()
        return ready
