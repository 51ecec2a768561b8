import json
import math
from pathlib import Path

import pytest

from farfield.policy.v1.policy_pb2 import VersionSpan
from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, EpisodeSpec, Trajectory
from farfield_trainer.reporting.measures import keep_episodes, measures, staleness


def episode(*correct: bool, success: bool | None = None, failure: int = 0) -> Trajectory:
    trajectory = Trajectory(success=correct[-1] if success is None else success, failure=failure)
    for one in correct:
        turn = trajectory.turns.add(response_ids=b"abcdefgh", response_text="x")
        turn.verdict.correct, turn.verdict.reward, turn.verdict.parseable = one, 5.0 if one else -1.0, True
    return trajectory


def test_success_is_solved_within_the_budget() -> None:
    played = [episode(True), episode(False, True), episode(False, False), episode(False)]
    figures = measures(played)
    assert figures["success"] == 0.5
    assert figures["success_stderr"] == pytest.approx(math.sqrt(0.25 / 4))
    assert figures["first_attempt"] == 0.25
    assert figures["step_accuracy"] == pytest.approx(2 / 6)
    assert figures["turns_mean"] == 1.5
    assert figures["reward_mean"] == pytest.approx((5 + 4 - 2 - 1) / 4)
    assert figures["response_tokens_mean"] == 2


def test_a_failed_episode_is_in_no_mean() -> None:
    figures = measures([episode(True), episode(False, failure=FAILURE_ENVIRONMENT)])
    assert (figures["success"], figures["episodes"], figures["failed"]) == (1.0, 1.0, 1.0)


def test_a_right_step_is_not_a_solved_task() -> None:
    assert measures([episode(True, success=False)])["success"] == 0.0


def test_metrics_of_the_environment_are_means_over_the_turns_that_carry_them() -> None:
    played = [episode(True, True), episode(False, True)]
    for one in played:
        one.turns[0].metrics["per_step_correct"] = 1.0
    played[1].turns[1].metrics["per_step_correct"] = 0.0
    figures = measures(played)
    assert figures["metric/per_step_correct"] == pytest.approx(2 / 3)
    assert figures["metric/per_step_correct_stderr"] == pytest.approx(2 / 9)


def test_terms_of_the_reward_are_means_over_the_turns_that_carry_them() -> None:
    played = [episode(True, True), episode(False), episode(True, failure=FAILURE_ENVIRONMENT)]
    for value, turn in enumerate(turn for one in played for turn in one.turns):
        turn.verdict.terms["format/reward"] = float(value)
    played[0].turns[1].verdict.terms["judge/score"] = 0.5
    figures = measures(played)
    assert figures["term/format/reward"] == pytest.approx(1.0)
    assert figures["term/judge/score"] == 0.5


def test_corrections_are_measured_where_revision_is_blind() -> None:
    played = [episode(False, True), episode(True, True)]
    assert "correction" not in measures(played)
    for one in played:
        one.spec.environment.options["revision"] = "blind"
    figures = measures(played)
    assert (figures["attempt_1"], figures["attempt_2"], figures["correction"]) == (0.5, 1.0, 0.5)
    assert figures["correction_stderr"] == pytest.approx(0.5)
    assert (figures["wrong_to_right"], figures["unchanged"]) == (0.5, 1.0)


def test_nothing_graded() -> None:
    assert measures([episode(False, failure=FAILURE_ENVIRONMENT)])["success"] == 0.0


def test_kept_episodes_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ood" / "000003.json"
    keep_episodes(path, [episode(False, True)])
    (kept,) = json.loads(path.read_text())
    assert [turn["responseText"] for turn in kept["turns"]] == ["x", "x"]
    assert kept["turns"][1]["verdict"]["correct"]
    assert kept["turns"][0]["responseIds"]  # a report shows them token by token


def test_staleness_is_weighed_by_tokens() -> None:
    trajectory = Trajectory(spec=EpisodeSpec(policy_version=5))
    spans = [VersionSpan(version=5, tokens=3), VersionSpan(version=3, tokens=1)]
    trajectory.turns.add(versions=spans)
    assert staleness([trajectory]) == {"staleness_mean": 0.5, "staleness_max": 2.0}
