"""The runs of an experiment, and which of them a free lane plays next."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from farfield_cli.experiment.configs import config
from farfield_cli.experiment.experiment import Experiment, run_id
from farfield_cli.progress import work_of
from farfield_cli.run_file import Config


@dataclass(frozen=True, slots=True)
class Job:
    """One run: an arm with one seed. `needs`: the run that it starts from."""

    arm: str
    seed: int
    config: Config
    needs: str = ""

    @property
    def run_id(self) -> str:
        return run_id(self.arm, self.seed)


def jobs(experiment: Experiment) -> list[Job]:
    """Seed after seed. Within a seed, first what others start from, then the longest: so the lanes end at
    about the same time."""
    sources = {arm.origin.arm for arm in experiment.arms.values() if arm.origin}
    found = []
    for seed in experiment.seeds:
        of_seed = [_job(experiment, arm, seed) for arm in experiment.arms]
        found += sorted(of_seed, key=lambda job: (job.arm not in sources, -work_of(job.config)))
    return found


def _job(experiment: Experiment, arm: str, seed: int) -> Job:
    origin = experiment.arms[arm].origin
    return Job(arm, seed, config(experiment, arm, seed), run_id(origin.arm, seed) if origin else "")


class Fate(StrEnum):
    WAITS = "waits"
    PLAYS = "plays"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"
    """What it starts from failed."""


class Board:
    """Hands out jobs. One whose run is begun stays in its lane: a trainer has its runs for itself."""

    def __init__(
        self, all_jobs: Iterable[Job], done: Iterable[str] = (), bound: Mapping[str, str] | None = None
    ):
        """`done`: ids of finished runs; `bound`: the lane of each run that was begun, by id."""
        self._jobs = {job.run_id: job for job in all_jobs}
        self._bound = dict(bound or {})
        finished = set(done)
        self.fates = {name: Fate.DONE if name in finished else Fate.WAITS for name in self._jobs}
        self._changed = asyncio.Condition()

    async def next(self, lane: str) -> Job | None:
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

    async def ended(self, job: Job, fate: Fate) -> None:
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
