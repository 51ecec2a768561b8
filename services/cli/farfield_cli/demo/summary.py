"""`summary.json` of a demo, from what its runs left in their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farfield_cli.demo.recipe import BRANCHES, SUITES
from farfield_cli.demo.verdict import Verdict, verdict
from farfield_cli.report.points import CurvePoint, Point, pooled, pooled_curve
from farfield_cli.runs.run_folder import Json, RunFolder

MEMORY_LIMIT_BYTES = 3_000_000_000
Runs = Mapping[str, Sequence[RunFolder]]
"""The runs of each branch, one for each seed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demo found. Curves by branch and suite; they begin at the shared base."""

    results: dict[str, dict[str, Point]]
    curves: dict[str, dict[str, list[CurvePoint]]]
    verdict: Verdict
    trained_exactly_once: bool
    seeds: int


def outcome(runs: Runs) -> Outcome:
    results = {
        branch: {suite: pooled([run.last(suite) for run in runs[branch]]) for suite in SUITES}
        for branch in BRANCHES
    }
    sound = all(exactly_once(run) for branch in runs.values() for run in branch)
    curves = {
        branch: {suite: _from_base(runs, branch, suite) for suite in SUITES}
        for branch in BRANCHES
        if branch != "init"
    }
    return Outcome(results, curves, verdict(results, sound=sound), sound, len(runs["init"]))


def exactly_once(run: RunFolder) -> bool:
    """As the trainer's ledger audited itself against the plan; and nothing planned is unaccounted for."""
    summary = run.summary
    episodes = summary["episodes"]
    return bool(summary["trained_exactly_once"]) and (
        episodes["planned"] == episodes["trained"] + episodes["failed"]
    )


def _from_base(runs: Runs, branch: str, suite: str) -> list[CurvePoint]:
    start = pooled_curve([run.curve(suite) for run in runs["init"]])
    trained = pooled_curve([run.curve(suite) for run in runs[branch]])
    return [*start, *(point for point in trained if point.update > 0)]


def summary(runs: Runs, found: Outcome, seconds: Mapping[str, float], memory: Json, restarts: Json) -> Json:
    """The whole of `summary.json`."""
    points = {
        branch: {suite: point.data() for suite, point in found.results[branch].items()} for branch in BRANCHES
    }
    every = [run for branch in BRANCHES for run in runs[branch]]
    return {
        **points,
        "episodes": sum(
            _total(run, "episodes", "trained", "failed", "evaluated", "evaluated_failed") for run in every
        ),
        "turns": sum(_total(run, "turns", "trained", "evaluated") for run in every),
        "trained_exactly_once": found.trained_exactly_once,
        "verdict": found.verdict.data(),
        "seeds": found.seeds,
        "by_seed": [_seed(runs, seed) for seed in range(found.seeds)],
        "seconds": {branch: round(_seconds(runs[branch]), 1) for branch in BRANCHES}
        | {name: round(value, 1) for name, value in seconds.items()},
        "phases": {branch: _phases(runs[branch]) for branch in BRANCHES},
        "ledger": {branch: _ledger(runs[branch]) for branch in BRANCHES},
        "compute": {branch: _compute(runs[branch]) for branch in BRANCHES},
        "curves": {
            branch: {suite: [point.data() for point in curve] for suite, curve in suites.items()}
            for branch, suites in found.curves.items()
        },
        "memory": {**memory, "limit_bytes": MEMORY_LIMIT_BYTES},
        "restarts": restarts,
    }


def _total(run: RunFolder, section: str, *names: str) -> int:
    return sum(run.summary[section][name] for name in names)


def _seed(runs: Runs, seed: int) -> Json:
    return {branch: {suite: runs[branch][seed].last(suite).data() for suite in SUITES} for branch in BRANCHES}


def _seconds(runs: Sequence[RunFolder]) -> float:
    return sum(sum(run.summary["seconds"].values()) for run in runs)


def _phases(runs: Sequence[RunFolder]) -> dict[str, float]:
    return _summed(run.summary["seconds"] for run in runs)


def _ledger(runs: Sequence[RunFolder]) -> dict[str, Any]:
    """What became of the planned episodes."""
    once = all(exactly_once(run) for run in runs)
    return {**_summed(run.summary["episodes"] for run in runs), "trained_exactly_once": once}


def _compute(runs: Sequence[RunFolder]) -> Json:
    """The mean over seeds; `parameters` is the model's size."""
    total = _summed(run.summary["compute"] for run in runs)
    return {name: value / len(runs) for name, value in total.items()}


def _summed(parts: Any) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in total.items()}
