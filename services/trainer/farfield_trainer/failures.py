"""When failed episodes are too many to go on."""

from collections import Counter
from collections.abc import Sequence

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Failure, Trajectory
from farfield_kernel.errors import FailedPrecondition


class TooManyFailures(FailedPrecondition):
    """Something is wrong that no retry of the workers has cured."""


def classes_of(trajectories: Sequence[Trajectory]) -> Counter[str]:
    """How many failed, by the class of the failure."""
    return Counter(
        failure_class(item.failure) for item in trajectories if item.failure != FAILURE_UNSPECIFIED
    )


def check_failures(what: str, trajectories: Sequence[Trajectory], allowed: float) -> None:
    """Raises TooManyFailures when more than the `allowed` fraction failed."""
    failed = [item for item in trajectories if item.failure != FAILURE_UNSPECIFIED]
    if len(failed) <= allowed * len(trajectories):
        return
    counted = ", ".join(f"{name} {number}" for name, number in classes_of(failed).most_common())
    raise TooManyFailures(
        f"{what}: {len(failed)} of {len(trajectories)} episodes failed ({counted}), more than the allowed "
        f"fraction {allowed:g}; for example: {failed[0].failure_detail or 'no detail'}. "
        "Nothing is lost: cure it and resume the run, which plays these episodes again"
    )


def failure_class(failure: Failure.ValueType) -> str:
    """As people read it: `environment`, `deadline`, …"""
    return Failure.Name(failure).removeprefix("FAILURE_").lower()
