import math

import pytest

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, Trajectory
from farfield_kernel.corrections import Attempts, attempts_of, corrections


def episode(*attempts: tuple[str, bool], revision: str = "blind") -> Trajectory:
    """Responses and whether they are right."""
    trajectory = Trajectory()
    trajectory.spec.environment.options["revision"] = revision
    for text, correct in attempts:
        trajectory.turns.add(response_text=text).verdict.correct = correct
    return trajectory


def test_attempts_of_a_blind_episode() -> None:
    found = attempts_of(episode(("a", False), ("b", True), ("b", True)))
    assert found == Attempts(correct=(False, True, True), same=(False, True))


def test_what_the_environment_resolved_counts() -> None:
    by_default = episode(("a", True), ("a", True), revision="verifier")
    assert attempts_of(by_default) is None
    by_default.provenance.environment.options["revision"] = "blind"
    assert attempts_of(by_default) == Attempts((True, True), (True,))


def test_what_was_not_judged_twice_is_left_out() -> None:
    assert attempts_of(episode(("a", False))) is None
    failed = episode(("a", False), ("b", True))
    failed.failure = FAILURE_ENVIRONMENT
    assert attempts_of(failed) is None
    ungraded = episode(("a", False), ("b", True))
    ungraded.turns[1].ClearField("verdict")
    assert attempts_of(ungraded) is None


def test_the_measures_are_shares_of_all_episodes_and_their_difference_is_paired() -> None:
    pairs = [(False, True), (False, True), (True, False), (True, True), (False, False)]
    found = corrections([Attempts(pair, (number > 2,)) for number, pair in enumerate(pairs)])
    values = {name: estimate.value for name, estimate in found.items()}
    assert values == pytest.approx(
        {
            "attempt_1": 0.4,
            "attempt_2": 0.6,
            "correction": 0.2,
            "wrong_to_right": 0.4,
            "right_to_wrong": 0.2,
            "unchanged": 0.4,
        }
    )
    assert found["attempt_1"].stderr == pytest.approx(math.sqrt(0.4 * 0.6 / 5))
    spread = sum((value - 0.2) ** 2 for value in (1, 1, -1, 0, 0)) / 4
    assert found["correction"].stderr == pytest.approx(math.sqrt(spread / 5))


def test_nothing_of_nothing() -> None:
    assert corrections([]) == {}
