"""`experiment.json`: what an experiment found, made from its file and whatever run folders there are.

schema        1
name, title, question, paper, scale, seeds
finished      whether every run is
created       ISO 8601, UTC
versions      farfield and python
machine       system, processor, cpus
verdict       {status, line}
suites        by name: label, shift, episodes, sampling
arms          by name:
    label, kind, from, parameters
    curves    by suite, from where the arm starts: {update, compute, metrics}; compute in FLOPs since the
              base, metrics by name {value, stderr, n, spread}, over the seeds that are measured there
    by_seed   by seed: run, state, compute (FLOPs since the base), seconds, ledger, failures by class
claims        text, compare, against, at_least, at, status, why, estimate, interval, stderr, spread, by_seed,
              episodes, compared (by seed, of both sides: run, version, compute), controlled, control (the
              same of the control), no_control
costs         seconds, episodes and turns of all runs, and how many of them were taken over from other
              experiments; of one played on one machine also wall_seconds, peak_bytes (most memory resident)
              and restarts
"""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.judging import verdict
from farfield_cli.experiment.judging.played import Curve, Evaluation, Played
from farfield_cli.report.points import Point, pooled
from farfield_cli.runs.run_folder import Json, RunFolder

SCHEMA = 1
FILE = "experiment.json"
SETTINGS = "settings.json"
"""Where whoever plays an experiment writes what that has cost."""
TAKEN = "taken"
"""In place of a lane: runs that another experiment has played."""
_COUNTED = ("trained", "failed", "evaluated", "evaluated_failed")


def collect(experiment: Experiment, out: Path) -> Json:
    """The whole of it; runs that are not begun are missing from it, not wrong."""
    played = Played(experiment, out)
    found = verdict.judged(played)
    return {
        "schema": SCHEMA,
        "name": experiment.name,
        "title": experiment.title,
        "question": experiment.question.strip(),
        "paper": experiment.paper.model_dump(mode="json") if experiment.paper else None,
        "scale": experiment.scale,
        "seeds": list(experiment.seeds),
        "finished": all(played.finished(arm, seed) for arm in experiment.arms for seed in experiment.seeds),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"farfield": version("farfield"), "python": platform.python_version()},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cpus": cpu_count()},
        "verdict": {"status": verdict.of_all(found).value, "line": verdict.line(found)},
        "suites": {
            name: suite.model_dump(include={"label", "shift", "episodes", "sampling"})
            for name, suite in experiment.suites.items()
        },
        "arms": {name: _arm(name, played) for name in experiment.arms},
        "claims": [one.data() for one in found],
        "costs": _costs(played) | _spent(out),
    }


def _arm(name: str, played: Played) -> Json:
    arm = played.experiment.arms[name]
    runs = played.seeds(name)
    sizes = [run.summary["compute"]["parameters"] for run in runs.values() if run.summary]
    return {
        "label": arm.label,
        "kind": arm.kind,
        "from": arm.origin.model_dump(mode="json") if arm.origin else None,
        "parameters": max(sizes, default=None),
        "curves": {
            suite: _curve([played.curve(name, seed, suite) for seed in runs])
            for suite in played.experiment.suites_of(name)
        },
        "by_seed": {str(seed): _seed(run, played, name, seed) for seed, run in runs.items()},
    }


# Curves


def _curve(by_seed: Sequence[Curve]) -> list[Json]:
    """Pooled at every update at which any seed is measured."""
    updates = sorted({one.update for curve in by_seed for one in curve})
    return [_point([one for curve in by_seed for one in curve if one.update == update]) for update in updates]


def _point(measured_there: Sequence[Evaluation]) -> Json:
    figures = [points(one) for one in measured_there]
    names = dict.fromkeys(name for one in figures for name in one)
    return {
        "update": measured_there[0].update,
        "compute": sum(one.compute for one in measured_there) / len(measured_there),
        "metrics": {name: _figure([one[name] for one in figures if name in one]) for name in names},
    }


def points(evaluation: Evaluation) -> dict[str, Point]:
    """Every measure that the trainer reported with an error."""
    metrics = evaluation.metrics
    n = int(metrics["episodes"])
    return {
        name: Point(value, n, metrics[f"{name}_stderr"])
        for name, value in metrics.items()
        if f"{name}_stderr" in metrics
    }


def _figure(found: Sequence[Point]) -> Json:
    point = pooled(found)
    spread = None if point.spread is None else round(point.spread, 6)
    return {
        "value": round(point.success, 6),
        "stderr": round(point.stderr, 6),
        "n": point.n,
        "spread": spread,
        "seeds": len(found),
    }


# Runs


def _seed(run: RunFolder, played: Played, arm: str, seed: int) -> Json:
    curves = [played.curve(arm, seed, suite) for suite in played.experiment.suites_of(arm)]
    own = [one for curve in curves for one in curve if one.run.path == run.path]
    summary = run.summary
    return {
        "run": run.path.name,
        "state": run.record["state"],
        "compute": max((one.compute for curve in curves for one in curve), default=0.0),
        "seconds": {name: round(value, 1) for name, value in summary.get("seconds", {}).items()},
        "ledger": summary.get("episodes", {}) | _audit(summary),
        "failures": dict(Counter(item.failure for one in own for item in one.outcomes if item.failure)),
    }


def _audit(summary: Json) -> Json:
    return {"exactly_once": summary["trained_exactly_once"]} if "trained_exactly_once" in summary else {}


def _costs(played: Played) -> Json:
    begun = [run for arm in played.experiment.arms for run in played.seeds(arm).values()]
    over = [run for run in begun if run.summary]
    summaries = [run.summary for run in over]
    return {
        "seconds": round(sum(sum(one["seconds"].values()) for one in summaries), 1),
        "episodes": sum(one["episodes"][name] for one in summaries for name in _COUNTED),
        "turns": sum(one["turns"][name] for one in summaries for name in ("trained", "evaluated")),
        "runs": len(over),
        "taken": sum(run.path.parent.name == TAKEN for run in over),
    }


def _spent(out: Path) -> Json:
    """Of the machine, as the one who played it wrote it down."""
    settings = out / SETTINGS
    if not settings.is_file():
        return {}
    spent = json.loads(settings.read_text())["spent"]
    return {
        "wall_seconds": round(spent["seconds"], 1),
        "peak_bytes": spent["memory"]["peak_bytes"],
        "restarts": spent["restarts"],
    }
