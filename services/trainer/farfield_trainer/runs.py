"""The trainer's runs, of which one at a time works."""

import asyncio
import contextlib
import logging
from pathlib import Path

from farfield_kernel import logs
from farfield_kernel.errors import (
    AlreadyExists,
    DataLoss,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    NotFound,
)
from farfield_trainer.control import Control, End, Saved
from farfield_trainer.loop import Loop, Station
from farfield_trainer.planning import check_run_id
from farfield_trainer.reporting import run_metrics
from farfield_trainer.run import RECORD, Run, State
from farfield_trainer.run_config import RunConfig

log = logging.getLogger(__name__)

_STATE_AT = {End.FINISHED: State.SUCCEEDED, End.STOPPED: State.STOPPED}


class Runs:
    """All runs in a folder. One at a time works."""

    def __init__(self, folder: Path, station: Station) -> None:
        self._folder, self._station = folder.resolve(), station
        self._runs: dict[str, Run] = {}

    def load(self) -> None:
        """Reads the runs of earlier processes; one that cannot be read is logged and left alone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for record in sorted(self._folder.glob(f"*/{RECORD}")):
            try:
                run = Run.read(record.parent)
            except DataLoss as error:
                log.error("left out a run: %s", error)
                continue
            self._runs[run.run_id] = run
            if not run.state.unfinished:
                run.reports.close()

    def go_on(self) -> None:
        """Takes up the run that was working when the last process ended."""
        unfinished = sorted((run for run in self.all() if run.state.unfinished), key=lambda run: run.created)
        for run in unfinished[:1]:
            log.info("taking up run %s", run.run_id)
            run.control.paused = run.state is State.PAUSED
            self._take_up(run)
        for run in unfinished[1:]:
            self._ended(run, State.STOPPED, "another run was unfinished too when the trainer started")

    def get(self, run_id: str) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            known = ", ".join(self._runs) or "none"
            raise NotFound(f"no run '{run_id}' here; known: {known}")
        return run

    def all(self) -> list[Run]:
        return sorted(self._runs.values(), key=lambda run: run.created)

    def existing(self, run_id: str, config: RunConfig) -> Run | None:
        """The run of that id, where it has that config. Raises where another run is in the way."""
        check_run_id(run_id)
        run = self._runs.get(run_id)
        if run and run.config != config:
            raise AlreadyExists(f"run '{run_id}' exists with another config; choose another run id")
        if run is None:
            self._check_free()
        return run

    def start(self, run_id: str, config: RunConfig) -> Run:
        """Starts a run; the same id and config again is the run as it is. One that cannot begin is no run:
        the error is the caller's, and the id stays free."""
        if run := self.existing(run_id, config):
            return run
        folder = self._folder / run_id
        if folder.exists() and any(folder.iterdir()):
            raise AlreadyExists(
                f"{folder} is not empty and holds no run that can be read; choose another run id"
            )
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(run_id, folder, config)
        self._begin(run)
        self._runs[run_id] = run
        return run

    def pause(self, run_id: str) -> Run:
        run = self._working(run_id, "paused")
        return self._set_paused(run, True)

    def resume(self, run_id: str) -> Run:
        """Lets a paused run go on; takes up one that failed or was stopped, from its last checkpoint."""
        run = self.get(run_id)
        if run.active:
            return self._set_paused(run, False)
        if run.state is State.SUCCEEDED:
            raise FailedPrecondition(f"run '{run_id}' is finished; start another to train further")
        self._check_free()
        run.control = Control()
        run.reports.reopen()
        self._take_up(run)
        return run

    def stop(self, run_id: str) -> Run:
        run = self._working(run_id, "stopped")
        run.control.end(End.STOPPED)
        return run

    async def save(self, run_id: str) -> Saved:
        future = self._working(run_id, "saved").control.request_save()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():
                raise
            raise FailedPrecondition(f"run '{run_id}' ended before the checkpoint was written") from None

    async def close(self, patience_seconds: float) -> None:
        """Suspends the run that works, with a checkpoint where there is time for one."""
        for run in self.all():
            if run.task and run.active:
                run.control.end(End.SUSPENDED)
                await asyncio.wait({run.task}, timeout=patience_seconds)
                run.task.cancel()
                await asyncio.wait({run.task})
            run.reports.close()

    def _working(self, run_id: str, what: str) -> Run:
        run = self.get(run_id)
        if not run.active:
            raise FailedPrecondition(f"run '{run_id}' is {run.state.value}; only a working run can be {what}")
        return run

    def _set_paused(self, run: Run, paused: bool) -> Run:
        run.control.pause(paused)
        run.state = State.PAUSED if paused else State.RUNNING
        run_metrics.working(run.run_id, not paused)
        run.record()
        return run

    def _check_free(self) -> None:
        for run in self._runs.values():
            if run.active:
                raise Exhausted(
                    f"run '{run.run_id}' is {run.state.value} here; stop it or wait", retry_after=30
                )

    def _take_up(self, run: Run) -> None:
        """Begins another life of a run; where that cannot be, the run has failed."""
        try:
            self._begin(run)
        except Exception as error:
            self._failed(run, error)

    def _begin(self, run: Run) -> None:
        loop = Loop(run.run_id, run.config, run.folder, self._station, run.control, run.reports)
        run.lives += 1
        run.error = ""
        run.state = State.PAUSED if run.control.paused else State.RUNNING
        run.record()
        run_metrics.began(run.run_id, run.config)
        run_metrics.working(run.run_id, not run.control.paused)
        run.loop = loop
        with logs.bound(run=run.run_id):
            run.task = asyncio.create_task(self._live(run, loop))

    async def _live(self, run: Run, loop: Loop) -> None:
        """One life of a run; what ends it becomes its state."""
        try:
            end = await loop.run(fresh=run.lives == 1)
        except Exception as error:
            self._failed(run, error)
        else:
            if end is not End.SUSPENDED:
                self._ended(run, _STATE_AT[end], "")

    def _failed(self, run: Run, error: Exception) -> None:
        if isinstance(error, FarfieldError):
            log.error("run failed: %s", error)
            said = str(error)
        else:
            log.error("run failed", exc_info=error)
            said = f"unexpected {type(error).__name__}: {error}; the log has the details"
        if isinstance(error, OSError):
            said = f"{error}; cure it and resume the run"
        self._ended(run, State.FAILED, said)

    def _ended(self, run: Run, state: State, error: str) -> None:
        run.state, run.error = state, error
        run.figures()
        run.loop = run.control.save = None  # they hold the model, and the next run has one of its own
        run_metrics.ended(run.run_id, state.value)
        with contextlib.suppress(
            OSError
        ):  # on a full disk the state is known here alone, and the run goes on later
            run.record()
        run.control.abandon()
        run.reports.close()
