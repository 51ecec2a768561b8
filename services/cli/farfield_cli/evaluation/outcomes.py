"""What an episode came to, and what a variant's episodes say together.

Success: the environment says solved, at least once within the verification budget. Steps: turns that were
right, the metric `per_step_correct` where the environment has one, else the verifier's word. Recognition:
turns that saw rightly, the metric `recognition` (cards) or `observation_correct` (streets). Corrections: see
`farfield_kernel.corrections`. An episode that failed has no grade: it is counted by its class and is in no
figure.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Failure, Trajectory, Turn
from farfield_kernel.corrections import Attempts, attempts_of, corrections
from farfield_kernel.estimates import Estimate, clustered, mean, share

SEEING = ("recognition", "observation_correct")
MEASURES = ("success", "step_accuracy", "recognition", "turns", "reward")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode."""

    index: int
    success: bool
    turns: int
    right: int
    """Turns that were."""
    seen: int | None
    """Turns that saw rightly; None where the environment does not measure it."""
    reward: float
    failure: str = ""
    """Its class; then the figures mean nothing."""
    detail: str = ""
    """What failed."""
    attempts: Attempts | None = None
    """Where revision was blind."""

    def data(self) -> dict[str, Any]:
        if self.failure:
            return {"index": self.index, "failure": self.failure, "detail": self.detail}
        seen = {} if self.seen is None else {"seen": self.seen}
        return {
            "index": self.index,
            "success": self.success,
            "turns": self.turns,
            "right": self.right,
            **seen,
            "reward": self.reward,
            **(asdict(self.attempts) if self.attempts else {}),
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "Outcome":
        fields = {"success": False, "turns": 0, "right": 0, "seen": None, "reward": 0.0} | dict(data)
        correct, same = fields.pop("correct", ()), fields.pop("same", ())
        attempts = Attempts(tuple(correct), tuple(same)) if correct else None
        return cls(**fields, attempts=attempts)

    @classmethod
    def of(cls, trajectory: Trajectory) -> "Outcome":
        index = trajectory.spec.index
        if trajectory.failure != FAILURE_UNSPECIFIED:
            failure, detail = failure_class(trajectory), trajectory.failure_detail
            return cls.of_data({"index": index, "failure": failure, "detail": detail})
        seen = [value for turn in trajectory.turns for value in _seen(turn)]
        return cls(
            index=index,
            success=trajectory.success,
            turns=len(trajectory.turns),
            right=sum(map(_right, trajectory.turns)),
            seen=sum(seen) if seen else None,
            reward=sum(turn.verdict.reward for turn in trajectory.turns),
            attempts=attempts_of(trajectory),
        )


def failure_class(trajectory: Trajectory) -> str:
    return Failure.Name(trajectory.failure).removeprefix("FAILURE_").lower()


def _right(turn: Turn) -> bool:
    return (
        bool(turn.metrics["per_step_correct"]) if "per_step_correct" in turn.metrics else turn.verdict.correct
    )


def _seen(turn: Turn) -> Iterator[bool]:
    yield from (bool(turn.metrics[name]) for name in SEEING if name in turn.metrics)


def measured(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """By measure. Recognition is missing where nothing was to be recognised, corrections where revision was
    not blind."""
    graded = [one for one in outcomes if not one.failure]
    seen = [(one.seen, one.turns) for one in graded if one.seen is not None]
    return {
        "success": share([one.success for one in graded]),
        "step_accuracy": clustered([(one.right, one.turns) for one in graded]),
        **({"recognition": clustered(seen)} if seen else {}),
        **corrections([one.attempts for one in graded if one.attempts]),
        "turns": mean([one.turns for one in graded]),
        "reward": mean([one.reward for one in graded]),
    }


def failures(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Failed episodes by class."""
    return dict(sorted(Counter(one.failure for one in outcomes if one.failure).items()))
