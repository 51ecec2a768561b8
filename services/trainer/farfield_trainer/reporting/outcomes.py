"""How every episode of an evaluation ended, so that versions and runs can be compared episode by episode.

`outcomes/<suite>/<version>.json` in the run's folder:
    {"episodes": [{"index", "seed", "failure", "success", "correct", "parseable", "same", "reward",
                   "metrics"}, …]}
in the order of their indices. `correct`, `parseable`: each judged turn's. `same[i]`: response i + 1 has the
text of response i. `reward`: the sum over turns. `metrics`: the environment's own by name, a value for each
turn that carries one. An episode that failed has its class in `failure` and no grade.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Trajectory
from farfield_kernel.weights import write_durably
from farfield_trainer.failures import failure_class


def keep_outcomes(path: Path, trajectories: Sequence[Trajectory]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    played = sorted(trajectories, key=lambda item: item.spec.index)
    write_durably(path, json.dumps({"episodes": [outcome(item) for item in played]}).encode())


def outcome(trajectory: Trajectory) -> dict[str, Any]:
    """One episode's. The seed is text: JSON numbers are not wide enough for it everywhere."""
    spec = trajectory.spec
    named: dict[str, Any] = {"index": spec.index, "seed": str(spec.environment_seed), "failure": ""}
    if trajectory.failure != FAILURE_UNSPECIFIED:
        return named | {"failure": failure_class(trajectory.failure)}
    judged = [turn.verdict for turn in trajectory.turns if turn.HasField("verdict")]
    return named | {
        "success": trajectory.success,
        "correct": [verdict.correct for verdict in judged],
        "parseable": [verdict.parseable for verdict in judged],
        "same": [one.response_text == other.response_text for one, other in pairwise(trajectory.turns)],
        "reward": sum(verdict.reward for verdict in judged),
        "metrics": _metrics(trajectory),
    }


def _metrics(trajectory: Trajectory) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for turn in trajectory.turns:
        for name, value in turn.metrics.items():
            found.setdefault(name, []).append(value)
    return found
