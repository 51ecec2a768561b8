"""Runs played on a stack: lanes side by side, each taking the next job that can begin."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic

from farfield_cli.lanes.board import Board, Fate
from farfield_cli.lanes.progress import J, JobProgress, Progress
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.trainer import Trainer, is_over, state_of
from farfield_cli.stack.stack import Stack
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import FarfieldError

News = Callable[[JobProgress[J], str], None]


class Lanes(Generic[J]):
    """`config_of` says what the trainer is told for a job, once what it needs is finished; `after_each` is
    called when a run is over. A run that fails is kept in mind, or ends it all (`stop_at_failure`)."""

    def __init__(
        self,
        board: Board[J],
        progress: Progress[J],
        config_of: Callable[[J], Awaitable[Config]],
        after_each: Callable[[], None] = lambda: None,
        *,
        stop_at_failure: bool = False,
    ) -> None:
        self._board, self._progress, self._config_of = board, progress, config_of
        self._after_each, self._stop_at_failure = after_each, stop_at_failure
        self.errors: dict[str, str] = {}
        """Why runs failed, by id."""

    async def play(self, stack: Stack, news: News[J]) -> None:
        """Every run that can be played."""
        try:
            async with asyncio.TaskGroup() as group:
                for lane, where in stack.plan.lanes.items():
                    group.create_task(self._play_lane(lane, stack.way(where.trainer), news))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # one reason is enough for a person

    async def _play_lane(self, lane: str, where: ClientConfig, news: News[J]) -> None:
        async with Trainer.at(where, patience_seconds=math.inf) as trainer:  # the stack brings it back
            while job := await self._board.next(lane):
                await self._board.ended(job, await self._play_job(trainer, job, news))
                self._after_each()

    async def _play_job(self, trainer: Trainer, job: J, news: News[J]) -> Fate:
        progress = self._progress.of(job)
        progress.begin()
        try:
            run = await trainer.start(job.run_id, await self._config_of(job))
            if is_over(run) and state_of(run) != "succeeded":
                await trainer.resume(job.run_id)
        except FarfieldError as error:
            if self._stop_at_failure:
                raise
            return self._failed(progress, str(error), news)
        async for answer in trainer.watch(job.run_id):
            if text := progress.observe(answer):
                news(progress, text)
        if progress.state == "succeeded":
            return Fate.DONE
        why = (await trainer.get(job.run_id)).error or "stopped from outside"
        if self._stop_at_failure:
            raise FarfieldError(f"run {job.run_id} {progress.state}: {why}")
        return self._failed(progress, why, news)

    def _failed(self, progress: JobProgress[J], why: str, news: News[J]) -> Fate:
        progress.fail()
        self.errors[progress.job.run_id] = why
        news(progress, f"failed: {why}")
        return Fate.FAILED
