"""What a suite's episodes say about a version, and some of them to be read.

Success = the environment says solved, at least once within the verification budget. A failed episode has no
grade: it is counted, and is not in any mean. Error bars of shares of episodes are sqrt(p (1 - p) / n); that
of the share of right steps knows that steps of one episode hang together. `metric/NAME` is the mean of the
environment's own metric over every turn that carries it, `term/NAME` that of a term of the reward, both with
such an error. Where revision is blind, `farfield_kernel.corrections` says what else is measured.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Trajectory
from farfield_kernel.corrections import attempts_of, corrections
from farfield_kernel.estimates import Estimate, clustered, share
from farfield_kernel.trajectories import readable
from farfield_kernel.wire import ids_in


def measures(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Metrics of one suite and version."""
    graded = [item for item in trajectories if item.failure == FAILURE_UNSPECIFIED]
    turns = [turn for item in graded for turn in item.turns]
    judged = [turn.verdict for turn in turns if turn.HasField("verdict")]
    first = [item.success and len(item.turns) == 1 for item in graded]
    return {
        "episodes": float(len(graded)),
        "failed": float(len(trajectories) - len(graded)),
        **_with_error("success", share([item.success for item in graded])),
        **_with_error("first_attempt", share(first)),
        **_with_error("step_accuracy", clustered([_steps(item) for item in graded])),
        **_corrections(graded),
        "parseable": _mean([float(verdict.parseable) for verdict in judged]),
        "turns": float(len(turns)),
        "turns_mean": len(turns) / max(len(graded), 1),
        "reward_mean": sum(verdict.reward for verdict in judged) / max(len(graded), 1),
        "response_tokens_mean": _mean([ids_in(turn.response_ids) for turn in turns]),
        **_means("metric", [[turn.metrics for turn in item.turns] for item in graded]),
        **_means("term", [[turn.verdict.terms for turn in item.turns] for item in graded]),
    }


def _corrections(graded: Sequence[Trajectory]) -> dict[str, float]:
    attempts = [found for item in graded if (found := attempts_of(item))]
    figures: dict[str, float] = {}
    for name, estimate in corrections(attempts).items():
        figures |= _with_error(name, estimate)
    return figures


def _means(kind: str, episodes: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Of figures by name, which every turn of every episode may carry."""
    names = sorted({name for turns in episodes for figures in turns for name in figures})
    found: dict[str, float] = {}
    for name in names:
        carried = [[figures[name] for figures in turns if name in figures] for turns in episodes]
        found |= _with_error(f"{kind}/{name}", clustered([(sum(one), len(one)) for one in carried]))
    return found


def _with_error(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_stderr": estimate.stderr}


def _steps(trajectory: Trajectory) -> tuple[int, int]:
    """Right ones, and all that were judged."""
    judged = [turn.verdict for turn in trajectory.turns if turn.HasField("verdict")]
    return sum(verdict.correct for verdict in judged), len(judged)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


def keep_episodes(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Writes episodes as a JSON list of trajectories, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(readable(item), ensure_ascii=False) for item in trajectories]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def staleness(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Age in versions of the sampled tokens: the version that an update starts from − the token's."""
    tokens = total = oldest = 0
    for trajectory in trajectories:
        for turn in trajectory.turns:
            for span in turn.versions:
                age = trajectory.spec.policy_version - span.version
                tokens, total, oldest = tokens + span.tokens, total + age * span.tokens, max(oldest, age)
    return {"staleness_mean": total / max(tokens, 1), "staleness_max": float(oldest)}
