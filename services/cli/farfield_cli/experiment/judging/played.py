"""What was played of an experiment: each arm's evaluations, on one compute axis.

Compute counts from the shared base. An arm that starts from another arm's weights has what those cost before
it; it begins where they were measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment, run_id
from farfield_cli.experiment.judging import outcomes
from farfield_cli.experiment.judging.outcomes import Outcome
from farfield_cli.report.chart import flops
from farfield_cli.runs.run_folder import Json, RunFolder, trained_compute
from farfield_kernel.errors import NotFound

NEAR = 0.25
"""How far from the compute at which arms are compared an evaluation may be, as a share of it."""
_FINISHED = "succeeded"
_BLIND = "attempt_1"
"""A metric that the trainer reports where revision was blind."""


@dataclass(frozen=True)
class Evaluation:
    """A version of an arm's weights on one suite. `update`, `compute`: along the arm's own curve."""

    run: RunFolder
    suite: str
    version: int
    update: int
    compute: float
    metrics: Json

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Empty where the run kept none."""
        path = self.run.path / "outcomes" / self.suite / f"{self.version:06d}.json"
        return outcomes.read(path, blind=_BLIND in self.metrics) if path.is_file() else []

    def place(self) -> Json:
        """Which weights they are, and what they cost since the base, in FLOPs."""
        return {"run": self.run.path.name, "version": self.version, "compute": self.compute}


Curve = list[Evaluation]


class Played:
    """The run folders below an experiment's folder."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment = experiment
        self._folder = folder
        self._runs: dict[tuple[str, int], RunFolder | None] = {}
        self._curves: dict[tuple[str, int, str], Curve] = {}

    def run(self, arm: str, seed: int) -> RunFolder | None:
        """None where it is not begun."""
        key = arm, seed
        if key not in self._runs:
            found = sorted((self._folder / "runs").glob(f"*/{run_id(arm, seed)}/run.json"))
            self._runs[key] = RunFolder.at(found[0].parent) if found else None
        return self._runs[key]

    def finished(self, arm: str, seed: int) -> bool:
        run = self.run(arm, seed)
        return run is not None and run.record["state"] == _FINISHED

    def seeds(self, arm: str) -> dict[int, RunFolder]:
        """Those that are begun."""
        found = {seed: self.run(arm, seed) for seed in self.experiment.seeds}
        return {seed: run for seed, run in found.items() if run}

    def curve(self, arm: str, seed: int, suite: str) -> Curve:
        """From where the arm starts, by update."""
        key = arm, seed, suite
        if key not in self._curves:
            own = self._own(arm, seed, suite)
            start = self._start(arm, seed, suite)
            begun = {0: start} if start else {}
            self._curves[key] = [one for _, one in sorted((begun | own).items())]
        return self._curves[key]

    def at(self, arm: str, seed: int, suite: str, moment: str | int) -> Evaluation:
        """Its start, its end, or a version of its own. NotFound where it is not measured there."""
        curve = self.curve(arm, seed, suite)
        wanted = {"start": 0, "end": self.experiment.arms[arm].updates}.get(str(moment), moment)
        for one in curve:
            if one.update == wanted:
                return one
        where, version = (self.experiment.start_of(arm) if wanted == 0 else None) or (arm, wanted)
        raise NotFound(f"{run_id(where, seed)} is not measured on {suite} at update {version}")

    def nearest(self, arm: str, seed: int, suite: str, compute: float) -> Evaluation:
        """The evaluation after training that cost nearest to `compute`. NotFound where that is not near."""
        curve = self.curve(arm, seed, suite)
        trained = [one for one in curve if one.update or not self.experiment.arms[arm].updates]
        found = min(trained, key=lambda one: abs(one.compute - compute), default=None)
        if found is None or abs(found.compute - compute) > NEAR * compute:
            raise NotFound(
                f"{run_id(arm, seed)} is not measured on {suite} at equal compute, {flops(compute)} FLOPs "
                f"give or take {NEAR:.0%}: it is at {_places(curve)}"
            )
        return found

    def _own(self, arm: str, seed: int, suite: str) -> dict[int, Evaluation]:
        run = self.run(arm, seed)
        if run is None:
            return {}
        before = self._before(arm, seed)
        measured = [one for one in run.evaluations if one["suite"] == suite]
        return {one["update"]: _evaluation(run, one, before) for one in measured}

    def _start(self, arm: str, seed: int, suite: str) -> Evaluation | None:
        place = self.experiment.start_of(arm)
        if place is None:
            return None
        other, version = place
        found = self._own(other, seed, suite).get(version)
        if found is None or other == arm:
            return found
        return Evaluation(found.run, suite, version, 0, found.compute, found.metrics)

    def _before(self, arm: str, seed: int) -> float:
        """What its starting weights cost since the base. NotFound where their run says nothing of it."""
        origin = self.experiment.arms[arm].origin
        if origin is None:
            return 0.0
        parent, update = self.run(origin.arm, seed), origin.update
        version = self.experiment.arms[origin.arm].updates if update is None else update
        spent = {one["update"]: one["metrics"] for one in _counted(parent)}
        if version not in spent and version:
            raise NotFound(f"{run_id(origin.arm, seed)} does not say what its update {version} cost")
        own = trained_compute(spent[version]) if version else 0.0
        return own + self._before(origin.arm, seed)


def _places(curve: Curve) -> str:
    return ", ".join(f"update {one.update} ({flops(one.compute)})" for one in curve) or "none"


def _counted(run: RunFolder | None) -> list[Json]:
    """Reports that say what was spent."""
    return [one for one in run.reports if "compute" in one["metrics"]] if run else []


def _evaluation(run: RunFolder, report: Mapping[str, Json], before: float) -> Evaluation:
    metrics, version = report["metrics"], int(str(report["update"]))
    return Evaluation(
        run, str(report["suite"]), version, version, before + trained_compute(metrics), dict(metrics)
    )
