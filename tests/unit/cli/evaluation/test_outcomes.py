import math

import pytest

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, EpisodeSpec, Trajectory
from farfield_cli.evaluation.outcomes import Outcome, failures, measured


def episode(*correct: bool, index: int = 0, **metrics: tuple[float, ...]) -> Trajectory:
    """`metrics`: a value for each turn."""
    trajectory = Trajectory(spec=EpisodeSpec(index=index), success=correct[-1])
    for number, one in enumerate(correct):
        turn = trajectory.turns.add()
        turn.verdict.correct, turn.verdict.reward = one, 5.0 if one else -1.0
        turn.metrics.update({name: values[number] for name, values in metrics.items()})
    return trajectory


def test_of_cards_the_verifier_says_which_turns_were_right() -> None:
    one = Outcome.of(episode(False, False, True, index=7))
    assert one == Outcome(7, True, turns=3, right=1, seen=None, reward=3.0)


def test_of_streets_the_environment_says_it() -> None:
    told = episode(False, False, per_step_correct=(1.0, 0.0), observation_correct=(1.0, 1.0))
    assert (Outcome.of(told).right, Outcome.of(told).seen) == (1, 2)


def test_recognition_of_cards() -> None:
    assert Outcome.of(episode(False, True, recognition=(0.0, 1.0))).seen == 1


def test_a_failed_episode_is_never_a_wrong_one() -> None:
    broken = episode(False, False)
    broken.failure = FAILURE_ENVIRONMENT
    outcomes = [Outcome.of(episode(True)), Outcome.of(broken)]
    found = measured(outcomes)
    assert (found["success"].value, found["success"].n) == (1.0, 1)
    assert all(estimate.n == 1 for estimate in found.values())
    assert failures(outcomes) == {"environment": 1}


def test_the_measures() -> None:
    played = [Outcome.of(episode(*turns)) for turns in ((True,), (False, True), (False, False))]
    found = measured(played)
    assert found["success"].value == pytest.approx(2 / 3)
    assert found["success"].stderr == pytest.approx(math.sqrt(2 / 9 / 3))
    assert found["step_accuracy"].value == pytest.approx(2 / 5)
    assert found["turns"].value == pytest.approx(5 / 3)
    assert found["reward"].value == pytest.approx((5 + 4 - 2) / 3)
    assert "recognition" not in found


def test_nothing_graded_has_no_figures() -> None:
    assert {estimate.n for estimate in measured([]).values()} == {0}


@pytest.mark.parametrize("data", [episode(True), episode(False, recognition=(1.0,))])
def test_an_outcome_survives_its_file(data: Trajectory) -> None:
    one = Outcome.of(data)
    assert Outcome.of_data(one.data()) == one


def test_corrections_of_blind_episodes_survive_the_file() -> None:
    blind = episode(False, True)
    blind.spec.environment.options["revision"] = "blind"
    outcome = Outcome.of(blind)
    assert outcome.data()["correct"] == (False, True)
    assert Outcome.of_data(outcome.data()) == outcome
    assert measured([outcome])["correction"].value == 1
    assert "correction" not in measured([Outcome.of(episode(False, True))])
