"""One run from start to end: plan, collect, learn, publish, evaluate, checkpoint.

Invariants. A batch is taken from the ledger only when it is complete, and the state is written only between
updates, so a checkpoint holds the effect of whole lots. Trajectories are acknowledged after the checkpoint
with their effect is on disk. Version v is the state after v updates; the weights of a version stay announced
until its evaluation is finished.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from farfield_kernel.errors import DataLoss, NotFound, Unavailable
from farfield_kernel.queue.contract import Queue
from farfield_kernel.weight_stores.opening import open_store
from farfield_kernel.weights import Weights, write_durably
from farfield_trainer import planning
from farfield_trainer.checkpoint import Checkpoint, Checkpoints
from farfield_trainer.collecting import Collector
from farfield_trainer.control import Asked, Control, End, Saved
from farfield_trainer.demonstrations import Demonstrations
from farfield_trainer.evaluation import Evaluations
from farfield_trainer.failures import TooManyFailures
from farfield_trainer.progress import Progress
from farfield_trainer.publishing import Publisher
from farfield_trainer.reporting.compute import Compute
from farfield_trainer.reporting.reports import Report, Reports
from farfield_trainer.reporting.summary import counts, summarized
from farfield_trainer.run_config import RunConfig
from farfield_trainer.sources import Episodes, Imitation, Learner, Source

log = logging.getLogger(__name__)
T = TypeVar("T")


class Scalars(Protocol):
    """Where a run's reports are plotted."""

    def __call__(self, report: Report) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Station:
    """What the process gives to its runs."""

    queue: Queue
    lane: str
    replan_seconds: float
    make_learner: Callable[[RunConfig], Learner]
    make_demonstrations: Callable[[RunConfig], Demonstrations]
    open_scalars: Callable[[Path, int], Scalars]
    """Of a folder, for a run that goes on after an update."""
    weights: str = ""
    """Where versions are published: the URL of an object store; empty for each run's folder."""


class Loop:
    """One life of a run: a run that was killed goes on in another."""

    def __init__(
        self,
        run_id: str,
        config: RunConfig,
        folder: Path,
        station: Station,
        control: Control,
        reports: Reports,
    ) -> None:
        self.run_id, self.config, self.folder = run_id, config, folder
        self.progress = Progress()
        self.weights: Weights | None = None
        self.versions: list[int] | None = None
        """Those that are kept, once one was published in this life."""
        self._station, self._control, self._reports = station, control, reports
        self._checkpoints = Checkpoints(folder / "checkpoints", run_id, config.checkpoint.keep)
        store = open_store(station.weights, run_id, folder / "weights")
        self._publisher = Publisher(store, folder / "weights", run_id, config.keep_weights)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="learner")
        self._learner: Learner
        self._collector: Collector
        self._evaluations: Evaluations
        self._source: Source
        control.save = self._save

    async def run(self, *, fresh: bool) -> End:
        """`fresh`: the run never began before."""
        try:
            await self._open(fresh)
            scalars = self._station.open_scalars(self.folder / "tensorboard", self.progress.update)
            with contextlib.closing(scalars), self._reports.told(scalars):
                return await _beside(self._collector.run(), self._work())
        except Exception:
            await self._release_lane()
            raise
        finally:
            await asyncio.to_thread(self._executor.shutdown)

    # Start

    async def _open(self, fresh: bool) -> None:
        with self._phase("start"):
            self._learner = await self._in_thread(self._station.make_learner, self.config)
            checkpoint = await self._in_thread(self._checkpoints.newest)
            if checkpoint:
                await self._in_thread(self._learner.load, checkpoint.folder)
        if checkpoint:
            self._restore(checkpoint)
        elif not fresh:
            self._reports.truncate(0)
            self._reports.append("phase", 0, {"restarted": 1.0})
        self._assemble()
        if fresh or (checkpoint and checkpoint.skipped):
            # What a lost checkpoint acknowledged is committed and gone: it has to be played again.
            await self._collector.forget()
        await self._collector.catch_up()

    def _restore(self, checkpoint: Checkpoint) -> None:
        started = self.progress.phases.totals["start"]
        self.progress = Progress.restored(checkpoint.state)
        self.progress.phases.totals["start"] += started
        self._reports.truncate(checkpoint.state["reports"])
        figures = {"restored": 1.0, "torn": float(len(checkpoint.skipped))}
        self._reports.append("checkpoint", checkpoint.update, figures)
        log.info("going on from %s", checkpoint.folder)

    def _assemble(self) -> None:
        station, progress = self._station, self.progress
        self._collector = Collector(
            station.queue,
            station.lane,
            self.run_id,
            progress.ledger,
            replan_seconds=station.replan_seconds,
            outage=partial(_report_outage, self._reports, progress),
        )
        self._evaluations = Evaluations(
            self.run_id, self.config, progress, self._collector, self._reports, self.folder
        )
        if self.config.algorithm.kind == "sft":
            self._source = Imitation(self.config, progress, station.make_demonstrations(self.config))
        else:
            self._source = Episodes(self.run_id, self.config, progress, self._collector)

    # Work

    async def _work(self) -> End:
        try:
            await self._finish_old_evaluations()
            while await self._step():
                pass
            await self._finish_evaluations()
            end = End.FINISHED
        except Asked as asked:
            end = asked.end
        except TooManyFailures:
            await self._evaluations.cancel()
            await self._save()
            await self._collector.forget()
            raise
        except DataLoss:
            # Nothing of what cannot be learned from is saved, and the queue must not give it again.
            await self._collector.forget()
            raise
        finally:
            await self._evaluations.cancel()
            await self._source.close()
        await self._save()
        await self._leave(end)
        return end

    async def _step(self) -> bool:
        """One update. False when there are no more."""
        version = self.progress.update
        await self._obey()
        if planning.is_published(self.config, version):
            await self._finish_evaluations()
            await self._publish(version)
        await self._source.prepare(version, self.weights)
        if self.weights and self._evaluations.due(version):
            await self._evaluations.begin(self.weights, self._compute().metrics())
        if version == self.config.updates:
            return False
        with self._phase(self._source.waiting):
            await self._control.obeying(self._source.ready(version))
        with self._phase("train"):
            metrics = await self._in_thread(self._source.take(version, self._learner))
        self.progress.update += 1
        self._report_update(metrics)
        if self.progress.update % self.config.checkpoint.every == 0:
            await self._save()
        return True

    async def _obey(self) -> None:
        with self._phase("paused") if self._control.paused else contextlib.nullcontext():
            await self._control.obey()

    async def _finish_old_evaluations(self) -> None:
        """Those that were going on when the checkpoint was written."""
        for version, spent in list(self.progress.evaluating.items()):
            if version == self.progress.update:
                continue  # begins again with its step
            try:
                weights = await self._in_thread(self._publisher.find, version)
            except (NotFound, DataLoss) as error:
                self._evaluations.give_up(version, error)
                continue
            await self._evaluations.begin(weights, spent)
            await self._finish_evaluations()

    async def _finish_evaluations(self) -> None:
        with self._phase("evaluate"):
            await self._control.obeying(self._evaluations.finish())

    async def _publish(self, version: int) -> None:
        parent = planning.published_before(self.config, version)
        with self._phase("publish"):
            self.weights = await self._in_thread(
                self._publisher.publish, version, parent, self._learner.save_pretrained
            )
            durably = await self._in_thread(self._checkpoints.evaluating)
            needed = {*self.progress.evaluating, *durably, *self.config.keep_versions}
            self.versions = await self._in_thread(self._publisher.prune, needed)

    async def _save(self) -> Saved:
        """Writes a checkpoint of the present state, then acknowledges what it includes."""
        progress, started = self.progress, time.perf_counter()
        settled, state = progress.ledger.settled(), progress.state(len(self._reports))
        self._reports.sync()
        with self._phase("checkpoint"):
            path = await self._in_thread(self._checkpoints.write, progress.update, self._learner.save, state)
            await self._collector.acknowledge(settled)
        progress.ledger.acknowledged(settled)
        figures = {"seconds": time.perf_counter() - started, "acknowledged": float(len(settled))}
        self._reports.append("checkpoint", progress.update, figures)
        return Saved(path, progress.update)

    # End

    async def _leave(self, end: End) -> None:
        """A suspended run keeps its lane and its queue: it goes on in the next process."""
        if end is End.SUSPENDED:
            return
        if end is End.FINISHED and self.weights:
            await self._collector.announce(self.weights)
        summary = await self._in_thread(summarized, self.run_id, self.config, self.progress, self._compute())
        summary["weights"] = self.weights.path if self.weights else ""
        write_durably(self.folder / "summary.json", json.dumps(summary, indent=1).encode())
        await self._collector.leave()

    async def _release_lane(self) -> None:
        """Once only: a queue that is away must not hold back the reason of the failure."""
        with contextlib.suppress(Unavailable):
            await self._station.queue.deactivate(self._station.lane, self.run_id)

    # Reports

    def _report_update(self, metrics: dict[str, float]) -> None:
        figures = metrics | counts(self.config, self.progress) | self._compute().metrics()
        if self.weights:
            figures["version"] = float(self.weights.version)
        self._reports.append("update", self.progress.update, figures | self.progress.phases.lap())

    def _compute(self) -> Compute:
        return Compute(
            self._learner.parameters,
            self.config.base_tokens,
            self._learner.tokens_trained,
            self.progress.tokens_buffer,
        )

    def _phase(self, name: str) -> contextlib.AbstractContextManager[None]:
        return self.progress.phases.phase(name)

    async def _in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Everything that touches the learner runs on one thread; the event loop stays free."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: call(*args))


def _report_outage(reports: Reports, progress: Progress, begins: bool, seconds: float) -> None:
    figures = {"waiting_for_queue": 1.0 if begins else 0.0, "seconds": seconds}
    reports.append("phase", progress.update, figures)


async def _beside(forever: Awaitable[None], work: Awaitable[T]) -> T:
    """The work's result; an error of the other is the run's error."""
    pump, main = asyncio.ensure_future(forever), asyncio.ensure_future(work)
    try:
        await asyncio.wait({pump, main}, return_when=asyncio.FIRST_COMPLETED)
        if not main.done():
            pump.result()
        return main.result()
    finally:
        pump.cancel()
        main.cancel()
        await asyncio.wait({pump, main})
