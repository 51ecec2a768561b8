"""Measures the lane's queue: what waits in it, for how long, and how much room its store has left."""

import asyncio
import logging

from farfield_kernel.errors import FarfieldError
from farfield_kernel.queue.contract import Backlog, Queue
from farfield_trainer.reporting import meters

log = logging.getLogger(__name__)

STATES = ("queued", "claimed", "uncollected", "unacknowledged")


class QueueWatch:
    """One lane's. What cannot be measured is not shown: old numbers would pass for new ones."""

    def __init__(self, queue: Queue, lane: str, every_seconds: float) -> None:
        self._queue, self._lane, self._every_seconds = queue, lane, every_seconds
        self._up = True

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_seconds)

    async def look(self) -> None:
        try:
            await self._measure()
        except FarfieldError as error:
            if self._up:
                log.warning("the queue cannot be measured: %s", error)
            self._up = False
            self._forget()
        else:
            self._up = True
        meters.queue_up.labels(self._lane).set(self._up)

    async def _measure(self) -> None:
        run_id = await self._queue.active_run(self._lane)
        backlog = await self._queue.backlog(run_id) if run_id else Backlog(0, 0, 0, 0)
        footprint = await self._queue.footprint()
        for state in STATES:
            meters.queue_episodes.labels(self._lane, state).set(getattr(backlog, state))
        meters.queue_oldest.labels(self._lane).set(backlog.oldest_seconds)
        meters.queue_used.labels(self._lane).set(footprint.used_bytes)
        meters.queue_limit.labels(self._lane).set(footprint.limit_bytes)
        meters.queue_evicted.labels(self._lane).set(footprint.evicted)

    def _forget(self) -> None:
        for metric in (
            meters.queue_episodes,
            meters.queue_oldest,
            meters.queue_used,
            meters.queue_limit,
            meters.queue_evicted,
        ):
            metric.clear()
