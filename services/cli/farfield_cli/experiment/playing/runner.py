"""Playing an experiment on one machine: lanes side by side, each taking the next job that can begin.

Started again after whatever end, it goes on: a run that is finished is left as it is, one that was begun goes
on in its lane from its trainer's checkpoint. A run that fails takes those with it that start from it; the
others are played.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.jobs import Job, jobs
from farfield_cli.experiment.playing.folder import Folder, finished_jobs, is_finished
from farfield_cli.experiment.playing.models import served_model
from farfield_cli.experiment.playing.origins import Origins
from farfield_cli.lanes.board import Board, Fate
from farfield_cli.lanes.lanes import Lanes, News
from farfield_cli.lanes.progress import Progress
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.stack import Stack
from farfield_kernel.errors import FarfieldError


@dataclass(frozen=True, slots=True)
class Means:
    """What it is played with."""

    lanes: int = 2
    """About one for each core."""
    workers: int = 1
    """Of each lane."""


class Runner:
    """`after_each` is called, on a thread, when runs are over; no lane waits for it."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Folder,
        means: Means,
        after_each: Callable[[], object] = lambda: None,
    ) -> None:
        self.experiment, self.folder, self._means, self._after_each = experiment, folder, means, after_each
        self._jobs = jobs(experiment)
        self._origins = Origins(experiment, folder.path)
        self._reporting, self._one_is_over = asyncio.Lock(), asyncio.Event()
        self.progress = Progress(self._jobs, lanes=means.lanes)
        done = finished_jobs(folder, self._jobs)
        for one in self.progress.jobs:
            if one.job.run_id in done:
                one.found(done[one.job.run_id])
        bound = {run.path.name: lane for lane, run in folder.found()}
        self.board = Board(self._jobs, done, bound)
        self._lanes = Lanes(self.board, self.progress, self._origins.begun, self._one_is_over.set)

    @property
    def is_finished(self) -> bool:
        return all(fate is Fate.DONE for fate in self.board.fates.values())

    @property
    def stack_options(self) -> StackOptions:
        """A stack of one lane has its runs in the folder itself; here every lane has one of its own."""
        lanes = self._lane_names()
        return StackOptions(
            state=self.folder.state,
            runs=self.folder.runs / lanes[0] if len(lanes) == 1 else self.folder.runs,
            model=served_model(self.experiment),
            lanes=lanes,
            workers=self._means.workers,
            deterministic=all(job.config.get("deterministic", False) for job in self._jobs),
        )

    def _lane_names(self) -> tuple[str, ...]:
        """As many as are asked for, and those of runs that are to go on."""
        begun = {lane for lane, run in self.folder.found() if not is_finished(run)}
        return tuple(sorted({*(f"lane{number}" for number in range(self._means.lanes)), *begun}))

    async def play(self, stack: Stack, news: News[Job]) -> None:
        """Every run. FarfieldError at the end when some have failed."""
        began, reporting = time.monotonic(), asyncio.create_task(self._report())
        try:
            await self._lanes.play(stack, news)
        finally:
            self.folder.spent.add(stack, time.monotonic() - began)
            self.folder.save()
            async with self._reporting:  # one that is being written is written to its end
                reporting.cancel()
        if self._lanes.errors:
            raise FarfieldError(self._obituary())

    async def _report(self) -> None:
        while True:
            await self._one_is_over.wait()
            self._one_is_over.clear()
            async with self._reporting:
                with contextlib.suppress(FarfieldError):  # what is wrong shows in the one at the end
                    await asyncio.to_thread(self._after_each)

    def _obituary(self) -> str:
        lines = [f"  {name}: {why}" for name, why in self._lanes.errors.items()]
        left = [name for name, fate in self.board.fates.items() if fate is Fate.LEFT_OUT]
        if left:
            lines.append(f"  left out, since what they start from failed: {', '.join(left)}")
        return "some runs failed; the same command tries them again:\n" + "\n".join(lines)
