"""Keeps the programs of a stack up: started in waves, healed when one dies, stopped in the opposite order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from farfield_cli.stack.child import Child
from farfield_cli.stack.program import Program

T = TypeVar("T")


class Supervisor:
    """`on_change` is told whenever the state of a child changes."""

    def __init__(
        self, waves: Sequence[Sequence[Program]], on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._waves = [[Child(program, on_change) for program in wave] for wave in waves]
        self._lives: dict[asyncio.Task[None], Child] = {}

    @property
    def children(self) -> list[Child]:
        return [child for wave in self._waves for child in wave]

    async def start(self) -> None:
        """Each wave once the one before is ready."""
        for wave in self._waves:
            for child in wave:
                self._lives[asyncio.create_task(child.run())] = child
            await self.beside(_all_ready(wave))

    async def beside(self, work: Awaitable[T]) -> T:
        """The work's result; CrashLoop when a program cannot be kept up meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, *self._lives}, return_when=asyncio.FIRST_COMPLETED)
            for life in [life for life in self._lives if life.done()]:
                life.result()
            return await task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def stop(self) -> None:
        """Leaves no process behind, whatever state the programs are in."""
        for life in self._lives:
            life.cancel()
        if self._lives:
            await asyncio.wait(self._lives)
        for wave in reversed(self._waves):
            await asyncio.gather(*(child.stop() for child in wave))

    def kill(self) -> None:
        """Ends everything at once, for a person who cannot wait."""
        for child in self.children:
            child.kill()


async def _all_ready(wave: Sequence[Child]) -> None:
    for child in wave:
        await child.became_ready.wait()


@asynccontextmanager
async def supervised(
    waves: Sequence[Sequence[Program]], on_change: Callable[[], None] = lambda: None
) -> AsyncIterator[Supervisor]:
    """The programs, ready, for the length of a block."""
    supervisor = Supervisor(waves, on_change)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await asyncio.shield(asyncio.ensure_future(supervisor.stop()))
