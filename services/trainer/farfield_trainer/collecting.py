"""The trainer's end of the queue: plans episodes, collects trajectories, and outlives the queue's outages."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec
from farfield_kernel.errors import Unavailable
from farfield_kernel.queue.contract import Queue
from farfield_kernel.weights import Weights
from farfield_trainer.ledger import Ledger

log = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 256
_LOOK_SECONDS = 1.0
_FIRST_DELAY, _LAST_DELAY = 0.1, 2.0

Outage = Callable[[bool, float], None]
"""Told when the queue goes (True, 0) and comes back (False, seconds)."""


class Collector:
    """One run's episodes. `run()` collects for as long as the run lasts."""

    def __init__(
        self, queue: Queue, lane: str, run_id: str, ledger: Ledger, *, replan_seconds: float, outage: Outage
    ) -> None:
        self._queue, self._lane, self._run_id, self._ledger = queue, lane, run_id, ledger
        self._replan_seconds, self._outage = replan_seconds, outage
        self._wanted: dict[str, EpisodeSpec] = {}
        self._announced: Weights | None = None
        self._arrived = asyncio.Condition()
        self._down_since: float | None = None
        self._was_away = False

    # The run's side

    async def catch_up(self) -> None:
        """Takes every trajectory that is in the queue already, before anything is planned."""
        await self.patiently(lambda: self._queue.activate(self._lane, self._run_id))
        left = await self.patiently(lambda: self._queue.recover(self._run_id))
        while left > 0:
            taken = await self.patiently(lambda: self._collect(_LOOK_SECONDS))
            left = left - taken if taken else 0

    async def play(self, specs: Sequence[EpisodeSpec], weights: Weights) -> None:
        """Has the episodes that are missing played under these weights. Weights are announced only where
        something is left to play, so going back to a checkpoint does not send the policies back too."""
        missing = self._ledger.missing(specs)
        if not missing:
            return
        await self.announce(weights)
        self._wanted.update((spec.episode_id, spec) for spec in missing)
        await self.patiently(lambda: self._queue.plan(self._run_id, missing))

    async def arrived(self, specs: Sequence[EpisodeSpec]) -> None:
        """Returns once all of them are there."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: not self._ledger.missing(specs))

    async def announce(self, weights: Weights) -> None:
        if weights != self._announced:
            await self.patiently(lambda: self._queue.announce(self._lane, weights))
            self._announced = weights

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        if entry_ids:
            await self.patiently(lambda: self._queue.acknowledge(self._run_id, entry_ids))

    async def forget(self) -> None:
        """Removes what the queue knows of the run: what is missing can then be planned again."""
        await self.patiently(lambda: self._queue.drop(self._run_id))

    async def leave(self) -> None:
        """Ends the run's hold of the lane and of the queue."""
        await self.patiently(lambda: self._queue.deactivate(self._lane, self._run_id))
        await self.forget()

    # The queue's side

    async def run(self) -> None:
        """Collects for ever; plans again what is missing when nothing arrives for long, or the queue was
        away. Never beside a `collect`, whose answer may hold what seems to be missing."""
        last, look = time.monotonic(), min(_LOOK_SECONDS, self._replan_seconds)
        while True:
            if await self.patiently(lambda: self._collect(look)):
                last = time.monotonic()
            overdue = time.monotonic() - last > self._replan_seconds
            if self._wanted and (self._was_away or overdue):
                self._was_away = False
                await self.patiently(self._replan)
                last = time.monotonic()

    async def _collect(self, block_seconds: float) -> int:
        collected = await self._queue.collect(self._run_id, _AT_ONCE, block_seconds)
        for item in collected:
            self._ledger.take(item)
            self._wanted.pop(item.trajectory.spec.episode_id, None)
        if collected:
            async with self._arrived:
                self._arrived.notify_all()
        return len(collected)

    async def _replan(self) -> None:
        """A queue that was wiped, or lost its last second, is told again. One that holds neither the
        episodes nor their trajectories, and yet takes them for committed, has to forget first: that is so
        after an older checkpoint was used than the one that acknowledged them."""
        missing = self._ledger.missing(list(self._wanted.values()))
        await self._queue.activate(self._lane, self._run_id)
        if self._announced and await self._queue.weights(self._lane) != self._announced:
            await self._queue.announce(self._lane, self._announced)
        new = await self._queue.plan(self._run_id, missing)
        backlog = await self._queue.backlog(self._run_id)
        missing = self._ledger.missing(missing)
        if missing and not (backlog.queued or backlog.claimed or backlog.uncollected):
            log.warning(
                "the queue lost %d episodes that it takes for committed; playing them again", len(missing)
            )
            await self._queue.drop(self._run_id)
            new = await self._queue.plan(self._run_id, missing)
        if new:
            log.warning("planned %d lost episodes again", new)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer, however long the queue is away."""
        delay = _FIRST_DELAY
        while True:
            try:
                answer = await call()
            except Unavailable as error:
                self._went_away(error)
                await asyncio.sleep(delay)
                delay = min(_LAST_DELAY, 2 * delay)
                continue
            self._came_back()
            return answer

    def _went_away(self, error: Unavailable) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            log.warning("waiting for the queue: %s", error)
            self._outage(True, 0.0)

    def _came_back(self) -> None:
        if self._down_since is None:
            return
        seconds = time.monotonic() - self._down_since
        self._down_since, self._was_away = None, True
        log.warning("the queue is back after %.1f seconds", seconds)
        self._outage(False, seconds)
