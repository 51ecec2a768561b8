import json
from dataclasses import replace
from pathlib import Path

import pytest

from farfield_cli.experiment.judging.outcomes import Outcome, measured, parts, read
from farfield_kernel.corrections import MEASURES
from farfield_kernel.errors import DataLoss, InvalidArgument
from farfield_kernel.estimates import NOTHING

REVISED = Outcome(0, "7", True, (False, True), (False,), 0.5, {"recognition": (1.0, 0.0)}, blind=True)
AT_ONCE = Outcome(1, "8", True, (True,), (), 1.0, {"recognition": (1.0,)}, (True,))
STUCK = Outcome(2, "9", False, (False, False), (True,), -2.0, parseable=(True, False), blind=True)
BROKEN = Outcome(3, "10", failure="environment")
ALL = (REVISED, AT_ONCE, STUCK, BROKEN)


@pytest.mark.parametrize(
    ("metric", "value", "n"),
    [
        ("success", 2 / 3, 3),
        ("first_attempt", 1 / 3, 3),
        ("step_accuracy", 2 / 5, 3),
        ("parseable", 2 / 3, 2),
        ("reward_mean", -0.5 / 3, 3),
        ("turns_mean", 5 / 3, 3),
        ("attempt_1", 0.0, 2),
        ("attempt_2", 1 / 2, 2),
        ("correction", 1 / 2, 2),
        ("wrong_to_right", 1 / 2, 2),
        ("right_to_wrong", 0.0, 2),
        ("unchanged", 1 / 2, 2),
        ("metric/recognition", 2 / 3, 2),
    ],
)
def test_measures_count_graded_episodes(metric: str, value: float, n: int) -> None:
    found = measured(ALL, metric)
    assert found.value == pytest.approx(value)
    assert found.n == n


@pytest.mark.parametrize("metric", MEASURES)
def test_an_answer_to_feedback_is_no_self_correction(metric: str) -> None:
    told = [replace(one, blind=False) for one in ALL]
    assert measured(told, metric) == NOTHING
    assert measured(ALL, metric).n == 2


def test_a_share_has_a_binomial_error() -> None:
    assert measured(ALL, "success").stderr == pytest.approx((2 / 3 * 1 / 3 / 3) ** 0.5)


def test_an_unknown_measure_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match="step_accuracy"):
        parts("glory")


def test_a_file_is_read_by_index(tmp_path: Path) -> None:
    episodes = [
        {"index": 1, "seed": "8", "failure": "deadline"},
        {"index": 0, "seed": "7", "success": True, "correct": [True], "same": [], "reward": 1.0,
         "metrics": {"recognition": [1.0]}},
    ]  # fmt: skip
    path = tmp_path / "000005.json"
    path.write_text(json.dumps({"episodes": episodes}))
    first, second = read(path)
    assert first == Outcome(0, "7", True, (True,), (), 1.0, {"recognition": (1.0,)})
    assert second.failure == "deadline"


@pytest.mark.parametrize("text", ["{", "[]", '{"episodes": [{}]}'])
def test_a_file_that_holds_something_else_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "000005.json"
    path.write_text(text)
    with pytest.raises(DataLoss, match=r"000005\.json"):
        read(path)
