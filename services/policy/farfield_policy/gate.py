"""Who may ask the server that serves now, and how many at once: for engines that hand prompts to servers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, Protocol, TypeVar

from farfield_kernel.errors import WEIGHTS_NOT_SERVED, FailedPrecondition, FarfieldError, Unavailable
from farfield_policy import meters
from farfield_policy.engine import SHUTTING_DOWN, Requirement, Version


class Serving(Protocol):
    """What a prompt is handed to, of one version of the weights as long as it is used; `running` counts those
    that it works on."""

    running: int

    @property
    def version(self) -> Version: ...


S = TypeVar("S", bound=Serving)


class Gate(Generic[S]):
    """Used from one event loop. `wanted` is told of requirements that the server does not meet."""

    def __init__(self, server: S, at_once: int, wait_seconds: float) -> None:
        self.server = server
        self.wanted: Callable[[Requirement], None] = lambda require: None
        self._slots = asyncio.Semaphore(at_once)
        self._wait_seconds = wait_seconds
        self._paused = self._switching = self._closed = False
        self._fault = ""
        self._waiting: dict[object, Requirement] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def entered(self, require: Requirement | None) -> AsyncIterator[S]:
        """The server for the length of a block; its weights stay what they are meanwhile. Waits for a slot,
        and not longer than `wait_seconds` for weights or for the end of a pause."""
        while True:
            await self._clear(require)
            async with self._slots:
                if self._closed or self._fault or self._obstacle(require):
                    continue
                server = self.server
                server.running += 1
                meters.running.inc()
                try:
                    yield server
                finally:
                    server.running -= 1
                    meters.running.dec()
                    await self._notify()
                return

    def is_wanted(self, weights: Version) -> bool:
        """Whether a prompt waits that these weights would serve."""
        return any(require.met_by(weights) for require in self._waiting.values())

    async def idle(self, server: S) -> None:
        """Returns once nothing runs on the server."""
        async with self._changed:
            await self._changed.wait_for(lambda: not server.running)

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[list[float]]:
        """Lets nobody in for the length of a block; holds the seconds that it took, when it is over."""
        took: list[float] = []
        started, self._switching = time.perf_counter(), True
        try:
            yield took
        finally:
            self._switching = False
            took.append(time.perf_counter() - started)
            await self._notify()

    async def replace(self, server: S) -> None:
        """Prompts are handed to this one from now on; a fault is over."""
        self.server, self._fault = server, ""
        await self._notify()

    async def halt(self, fault: str) -> None:
        """Prompts are told so, without a wait, until a server is put in place."""
        self._fault = fault
        await self._notify()

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        await self._notify()

    async def close(self) -> None:
        self._closed = True
        await self._notify()

    def check_open(self) -> None:
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    def _check(self) -> None:
        self.check_open()
        if self._fault:
            raise Unavailable(self._fault)

    async def _clear(self, require: Requirement | None) -> None:
        """Waits until nothing but a slot is missing."""
        self._check()
        if self._obstacle(require) is None:
            return
        with self._in_waiting(require):
            try:
                async with asyncio.timeout(self._wait_seconds), self._changed:
                    await self._changed.wait_for(lambda: self._is_over(require))
            except TimeoutError:
                obstacle = self._obstacle(require)
                if obstacle is not None:
                    raise obstacle from None
        self._check()

    def _is_over(self, require: Requirement | None) -> bool:
        """Whether waiting is: nothing is in the way, or nothing more is to be hoped for."""
        return self._closed or bool(self._fault) or self._obstacle(require) is None

    @contextmanager
    def _in_waiting(self, require: Requirement | None) -> Iterator[None]:
        """Counts as waiting, and tells what it waits for."""
        mark = object()
        if require is not None:
            self._waiting[mark] = require
            self.wanted(require)
        try:
            yield
        finally:
            self._waiting.pop(mark, None)

    def _obstacle(self, require: Requirement | None) -> FarfieldError | None:
        if self._paused:
            return Unavailable("generation is paused; try again later")
        if self._switching:
            return Unavailable("other weights are put in place; try again later")
        if require is None or require.met_by(self.server.version):
            return None
        return FailedPrecondition(
            f"{require} is required; {self.server.version} is served", reason=WEIGHTS_NOT_SERVED
        )

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
