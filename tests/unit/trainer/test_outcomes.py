import json
from pathlib import Path

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, Trajectory
from farfield_trainer.reporting.outcomes import keep_outcomes


def episode(index: int, *answers: tuple[str, bool], failure: int = 0) -> Trajectory:
    trajectory = Trajectory(success=bool(answers) and answers[-1][1], failure=failure)
    trajectory.spec.index, trajectory.spec.environment_seed = index, 2**60 - index
    for text, correct in answers:
        turn = trajectory.turns.add(response_text=text, metrics={"recognition": float(correct)})
        turn.verdict.correct, turn.verdict.parseable = correct, correct
        turn.verdict.reward = 5.0 if correct else -1.0
    return trajectory


def test_every_episode_is_there_by_index_with_what_each_turn_got(tmp_path: Path) -> None:
    path = tmp_path / "ood" / "000003.json"
    keep_outcomes(path, [episode(1, ("a", False), ("a", False), ("b", True)), episode(0, ("a", True))])
    first, second = json.loads(path.read_text())["episodes"]
    assert (first["index"], first["seed"], first["same"]) == (0, str(2**60), [])
    assert second == {
        "index": 1,
        "seed": str(2**60 - 1),
        "failure": "",
        "success": True,
        "correct": [False, False, True],
        "parseable": [False, False, True],
        "same": [True, False],
        "reward": 3.0,
        "metrics": {"recognition": [0.0, 0.0, 1.0]},
    }


def test_a_failed_episode_has_a_class_and_no_grade(tmp_path: Path) -> None:
    keep_outcomes(tmp_path / "id.json", [episode(0, ("a", True), failure=FAILURE_ENVIRONMENT)])
    (failed,) = json.loads((tmp_path / "id.json").read_text())["episodes"]
    assert failed["failure"] == "environment"
    assert "success" not in failed
