"""What a person, or the process, asks of a run while it works. The loop obeys where its state is whole."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from farfield_kernel.errors import FailedPrecondition, FarfieldError

T = TypeVar("T")


class End(Enum):
    """How one life of a run ends."""

    FINISHED = "finished"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    """Its process ends; the run goes on in the next one."""


class Asked(Exception):
    """The run was asked to end, as it says."""

    def __init__(self, end: End) -> None:
        super().__init__(end.value)
        self.end = end


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on request."""

    folder: Path
    update: int


@dataclass(slots=True)
class Control:
    """`save` is how the run writes a checkpoint; set by its loop."""

    paused: bool = False
    asked: End | None = None
    save: Callable[[], Awaitable[Saved]] | None = None
    _saves: list[asyncio.Future[Saved]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # Asking

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self._notify()

    def end(self, how: End) -> None:
        self.asked = how
        self._notify()

    def request_save(self) -> asyncio.Future[Saved]:
        """A checkpoint at the next chance; cancelled when the run ends before."""
        future: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
        self._saves.append(future)
        self._notify()
        return future

    def abandon(self) -> None:
        """Nobody will obey any more."""
        for future in self._saves:
            future.cancel()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # Obeying

    async def obey(self) -> None:
        """Serves requests; holds while paused. Raises Asked when the run is to end."""
        while True:
            changed = self._changed
            await self._serve()
            if not self.paused:
                return
            if not changed.is_set():
                await changed.wait()

    async def obeying(self, awaitable: Awaitable[T]) -> T:
        """The result; checkpoints and the end are served while it is awaited."""
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                changed = self._changed
                await self._serve()
                if not changed.is_set():
                    await _either(task, changed)
            return task.result()
        finally:
            task.cancel()

    async def _serve(self) -> None:
        while self._saves:
            future = self._saves.pop(0)
            if self.save and not future.done():
                await _answer(future, self.save())
        if self.asked:
            raise Asked(self.asked)


async def _either(task: asyncio.Future[Any], changed: asyncio.Event) -> None:
    change: asyncio.Future[Any] = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait([task, change], return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()


async def _answer(future: asyncio.Future[Saved], saving: Awaitable[Saved]) -> None:
    """A checkpoint that cannot be written is the caller's error; the run goes on. Whatever else happens ends
    the run, and with it the request."""
    try:
        saved = await saving
    except FarfieldError as error:
        _refuse(future, error)
    except OSError as error:
        _refuse(future, FailedPrecondition(f"no checkpoint was written: {error}"))
    except BaseException:
        future.cancel()
        raise
    else:
        if not future.done():
            future.set_result(saved)


def _refuse(future: asyncio.Future[Saved], error: FarfieldError) -> None:
    if not future.done():
        future.set_exception(error)
