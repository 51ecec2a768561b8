"""What a policy makes of its own answer when it is asked for a correction and told nothing.

Where revision is blind, every episode has the same number of attempts. Of episodes whose attempts were all
judged (Kumar et al. 2024, arXiv 2409.12917, §3):

attempt_1, attempt_2, …   share whose first, second, … attempt is right: the paper's accuracy@t1, accuracy@t2
correction                attempt_2 − attempt_1, paired: Δ(t1, t2)
wrong_to_right            share that the second attempt mends
right_to_wrong            share that the second attempt spoils
unchanged                 share whose second response is the first one again; near 1 correcting has collapsed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from google.protobuf import json_format

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Trajectory
from farfield_kernel.estimates import Estimate, mean, share

MEASURES = ("attempt_1", "attempt_2", "correction", "wrong_to_right", "right_to_wrong", "unchanged")


@dataclass(frozen=True, slots=True)
class Attempts:
    """One blind episode: whether each attempt is `correct`, and whether each but the first is the `same` text
    as the one before."""

    correct: tuple[bool, ...]
    same: tuple[bool, ...]


def attempts_of(trajectory: Trajectory) -> Attempts | None:
    """None where revision is not blind, where the episode failed, or has fewer than two judged attempts."""
    turns = trajectory.turns
    judged = all(turn.HasField("verdict") for turn in turns)
    if trajectory.failure != FAILURE_UNSPECIFIED or len(turns) < 2 or not judged or not _blind(trajectory):
        return None
    texts = [turn.response_text for turn in turns]
    return Attempts(
        tuple(turn.verdict.correct for turn in turns),
        tuple(after == before for before, after in pairwise(texts)),
    )


def _blind(trajectory: Trajectory) -> bool:
    """As the environment resolved its options, or as they were asked for."""
    for ref in (trajectory.provenance.environment, trajectory.spec.environment):
        if "revision" in ref.options:
            return bool(json_format.MessageToDict(ref.options)["revision"] == "blind")
    return False


def corrections(episodes: Sequence[Attempts]) -> dict[str, Estimate]:
    """The measures by name; nothing where there are no such episodes."""
    if not episodes:
        return {}
    last = min(len(one.correct) for one in episodes)
    pairs = [one.correct[:2] for one in episodes]
    return {
        **{f"attempt_{t + 1}": share([one.correct[t] for one in episodes]) for t in range(last)},
        "correction": mean([float(second) - float(first) for first, second in pairs]),
        "wrong_to_right": share([second and not first for first, second in pairs]),
        "right_to_wrong": share([first and not second for first, second in pairs]),
        "unchanged": share([one.same[0] for one in episodes]),
    }
