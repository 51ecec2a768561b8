"""Who may start, for engines that hand prompts to a server: nothing while generation is paused, nothing on
weights that a prompt does not take, and no more at once than there is room for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from farfield_kernel.errors import WEIGHTS_NOT_SERVED, FailedPrecondition, FarfieldError, Unavailable
from farfield_policy.engine import Requirement, Version

SHUTTING_DOWN = "the policy service is shutting down"


class Gate:
    """Used on one event loop. `serving` is what those who pass from now on are served by."""

    def __init__(self, room: int, wait_seconds: float) -> None:
        self.serving = Version()
        self._room = asyncio.Semaphore(room)
        self._wait_seconds = wait_seconds
        self._running = 0
        self._paused_since: float | None = None
        self._fault: FarfieldError | None = None
        self._changing = False
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def running(self) -> int:
        return self._running

    @asynccontextmanager
    async def passage(self, require: Requirement | None = None) -> AsyncIterator[Version]:
        """For the length of a response; gives the weights that serve it. Unavailable or FailedPrecondition
        where a pause or the wrong weights outlast the patience for them."""
        since = monotonic()
        while True:
            await self._turn(require, since)
            async with self._room:
                if self._obstacle(require) or self._closed:
                    continue  # things changed while it waited for room
                self._running += 1
                try:
                    yield self.serving
                finally:
                    self._running -= 1
                    if not self._running:
                        await self._notify()
                return

    @asynccontextmanager
    async def standstill(self) -> AsyncIterator[None]:
        """Nobody passes and nobody runs for the length of the block."""
        self._changing = True
        try:
            await self._idle()
            yield
        finally:
            self._changing = False
            await self._notify()

    async def serve(self, weights: Version) -> None:
        """Whoever waits for these weights may pass; a fault is over."""
        self.serving, self._fault = weights, None
        await self._notify()

    async def halt(self, fault: FarfieldError) -> None:
        """Everybody is told `fault`, without waiting, until weights are served again."""
        self._fault = fault
        await self._notify()

    async def pause(self, drain: bool) -> int:
        """Returns how many run; with `drain`, once none does."""
        self._paused_since = monotonic()
        if drain:
            await self._idle()
        return self._running

    async def resume(self) -> None:
        self._paused_since = None
        await self._notify()

    async def close(self) -> None:
        """Whoever waits or comes is told that the service ends."""
        self._closed = True
        await self._notify()

    def check_not_closed(self) -> None:
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    async def _idle(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._running)

    async def _turn(self, require: Requirement | None, since: float) -> None:
        """Returns once nothing is in the way."""
        while True:
            self.check_not_closed()
            if self._fault:
                raise self._fault
            obstacle = self._obstacle(require)
            if obstacle is None:
                return
            left = max(since, self._paused_since or 0) + self._wait_seconds - monotonic()
            if left <= 0:
                raise obstacle
            await self._change(left)

    async def _change(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait()
        except TimeoutError:
            return

    def _obstacle(self, require: Requirement | None) -> FarfieldError | None:
        if self._fault:
            return self._fault
        if self._paused_since is not None:
            return Unavailable("generation is paused; try again later")
        if self._changing:
            return Unavailable("weights are being loaded; try again later")
        if require is None or require.met_by(self.serving):
            return None
        return FailedPrecondition(
            f"{require} is required; {self.serving} is served", reason=WEIGHTS_NOT_SERVED
        )

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
