"""How long a server waits for what a caller has to say.

gRPC itself waits for ever: a call that is opened and never sends its request, or sends half of it, or a byte
now and then, holds its place for as long as its connection lives.
"""

import asyncio
from dataclasses import dataclass
from typing import Self

from farfield_kernel.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds. `request`: until a call's first request is there as a whole. `idle`: between two messages
    of a stream, whichever way they go."""

    request: float
    idle: float


class Patience:
    """Around a call: ends it with DeadlineExceeded when its caller is silent for too long."""

    __slots__ = ("_begun", "_heard", "_limits", "_loop", "_out", "_task", "_timer")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun = self._out = False

    def heard(self) -> None:
        """A message has come or gone."""
        self._heard = self._loop.time()
        if not self._begun:
            self._begun = True
            self._timer.cancel()
            self._look()

    def __enter__(self) -> Self:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(self._limits.request, self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._timer.cancel()
        if self._out and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise DeadlineExceeded(self._reason())

    def _look(self) -> None:
        """Per call and not per message: a message costs no more than a look at the clock."""
        left = self._heard + self._limit - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._task:
            self._out = True
            self._task.cancel()

    @property
    def _limit(self) -> float:
        return self._limits.idle if self._begun else self._limits.request

    def _reason(self) -> str:
        if self._begun:
            return f"nothing was said on this stream for {self._limit:g} seconds: open another when there is"
        return f"no whole request came within {self._limit:g} seconds"
