"""Which of several runs a free lane plays next."""

import asyncio
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic

from farfield_cli.lanes.progress import J


class Fate(StrEnum):
    WAITS = "waits"
    PLAYS = "plays"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"
    """What it starts from failed."""


class Board(Generic[J]):
    """Hands out jobs. One whose run is begun stays in its lane: a trainer has its runs for itself."""

    def __init__(
        self, all_jobs: Iterable[J], done: Iterable[str] = (), bound: Mapping[str, str] | None = None
    ):
        """`done`: ids of finished runs; `bound`: the lane of each run that was begun, by id."""
        self._jobs = {job.run_id: job for job in all_jobs}
        self._bound = dict(bound or {})
        finished = set(done)
        self.fates = {name: Fate.DONE if name in finished else Fate.WAITS for name in self._jobs}
        self._changed = asyncio.Condition()

    async def next(self, lane: str) -> J | None:
        """A job for the lane, its own unfinished one first; waits for one that may come. None when there is
        none left for it."""
        async with self._changed:
            while True:
                waiting = [job for name, job in self._jobs.items() if self.fates[name] is Fate.WAITS]
                here = [job for job in waiting if self._bound.get(job.run_id, lane) == lane]
                ready = [job for job in here if not job.needs or self.fates[job.needs] is Fate.DONE]
                if ready:
                    job = min(ready, key=lambda one: one.run_id not in self._bound)  # the first of those
                    self.fates[job.run_id] = Fate.PLAYS
                    return job
                if not here:
                    return None
                await self._changed.wait()

    async def ended(self, job: J, fate: Fate) -> None:
        async with self._changed:
            self.fates[job.run_id] = fate
            if fate is Fate.FAILED:
                self._leave_out(job.run_id)
            self._changed.notify_all()

    def _leave_out(self, source: str) -> None:
        for name, job in self._jobs.items():
            if job.needs == source and self.fates[name] is Fate.WAITS:
                self.fates[name] = Fate.LEFT_OUT
                self._leave_out(name)
