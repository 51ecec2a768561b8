"""Evaluations of a run: a version's suites are played beside training and reported as they finish."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec
from farfield_kernel.trajectories import keep_images
from farfield_kernel.weights import Weights
from farfield_trainer import planning
from farfield_trainer.collecting import Collector
from farfield_trainer.failures import check_failures
from farfield_trainer.progress import Progress
from farfield_trainer.reporting.measures import keep_episodes, measures
from farfield_trainer.reporting.outcomes import keep_outcomes
from farfield_trainer.reporting.reports import Reports
from farfield_trainer.run_config import RunConfig

log = logging.getLogger(__name__)


class Evaluations:
    """One version at a time: its weights must stay announced until `finish` has returned."""

    def __init__(
        self,
        run_id: str,
        config: RunConfig,
        progress: Progress,
        collector: Collector,
        reports: Reports,
        folder: Path,
    ) -> None:
        """`folder`: the run's, which gets every episode's outcome and some episodes to be read."""
        self._run_id, self._config, self._progress = run_id, config, progress
        self._collector, self._reports, self._folder = collector, reports, folder
        self._task: asyncio.Task[None] | None = None

    def due(self, version: int) -> bool:
        """Whether this version is to be evaluated and is not yet."""
        if not planning.evaluation_due(self._config, version):
            return False
        suites = self._config.evaluation.suites
        lots = (planning.evaluation_lot(self._run_id, suite, version) for suite in suites)
        return any(lot not in self._progress.ledger.lots for lot in lots)

    async def begin(self, weights: Weights, spent: dict[str, float]) -> None:
        """Plans the suites for these weights. `spent`: the compute axis, reported with each suite."""
        self._progress.evaluating[weights.version] = spent
        plans = [
            planning.evaluation_episodes(self._run_id, self._config, suite, weights.version)
            for suite in self._config.evaluation.suites
        ]
        for specs in plans:
            await self._collector.play(specs, weights)
        self._task = asyncio.create_task(self._measure(weights.version, plans))

    def give_up(self, version: int, error: Exception) -> None:
        """An evaluation whose weights are gone is lost, and the run is not."""
        log.error("version %d cannot be evaluated any more: %s", version, error)
        del self._progress.evaluating[version]
        self._reports.append("phase", version, {"evaluation_lost": 1.0})

    async def finish(self) -> None:
        """Waits until the suites are reported."""
        if self._task:
            await asyncio.wait({self._task})
            task, self._task = self._task, None
            task.result()

    async def cancel(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _measure(self, version: int, plans: Sequence[list[EpisodeSpec]]) -> None:
        for specs in plans:
            await self._collector.arrived(specs)
            self._report(version, specs)
        del self._progress.evaluating[version]

    def _report(self, version: int, specs: Sequence[EpisodeSpec]) -> None:
        ledger, suite, chosen = self._progress.ledger, specs[0].suite, self._config.evaluation
        if planning.lot_of(specs[0].episode_id) in ledger.lots:
            return
        what = f"evaluation {suite} of version {version}"
        check_failures(what, ledger.peek(specs), self._config.max_failed_fraction)
        blobs, played = ledger.blobs(specs), ledger.consume(specs)
        name, episodes = f"{version:06d}.json", self._folder / "episodes"
        if kept := played[: chosen.keep_episodes]:
            keep_images(episodes / "blobs", kept, blobs)
            keep_episodes(episodes / suite / name, kept)
        keep_outcomes(self._folder / "outcomes" / suite / name, played)
        metrics = measures(played) | self._progress.evaluating[version]
        self._reports.append("eval", version, metrics, suite=suite)
