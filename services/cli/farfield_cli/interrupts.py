"""Ctrl-C, SIGTERM and a closed terminal: the work is cancelled once, in order; the second time, at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EXIT_STATUS = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The person asked to stop, and the work has stopped."""


class Interruptible:
    """`hurry` is called when a second signal comes while the work is being wound up. A signal that is
    ignored, as `nohup` has it, stays so."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self.hurry: Callable[[], None] = lambda: None
        self.on_first: Callable[[], bool] = lambda: False
        """Asked first; True means that the signal has been dealt with and the work goes on."""
        self._told = told
        self._signals = 0
        self._task: asyncio.Task[Any] | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result, or Interrupted once it has wound up."""
        loop = asyncio.get_running_loop()
        self._task = task = asyncio.ensure_future(work)
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in heeded:
            loop.add_signal_handler(number, self._signal)
        try:
            await asyncio.wait({task})
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)
        if self._signals and task.cancelled():
            raise Interrupted
        return task.result()

    def _signal(self) -> None:
        if not self._signals and self.on_first():
            return
        self._signals += 1
        if self._signals == 1 and self._task:
            self._told()
            self._task.cancel()
        elif self._signals > 1:
            self.hurry()


def detach_from_terminal() -> None:
    """A stack in the background outlives the shell that started it."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
