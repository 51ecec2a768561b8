from pathlib import Path

import pytest

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.judging.played import Played
from farfield_kernel.errors import NotFound

from .conftest import PARAMETERS, TOKENS, Play

UPDATE = 6.0 * PARAMETERS * TOKENS
"""FLOPs of one."""


def test_a_curve_begins_at_the_shared_base(experiment: Experiment, whole: Path) -> None:
    curve = Played(experiment, whole).curve("rl", 1, "ood")
    assert [(one.update, one.compute) for one in curve] == [(0, 0.0), (5, 5 * UPDATE), (10, 10 * UPDATE)]
    assert [one.run.path.name for one in curve] == ["base-s1", "rl-s1", "rl-s1"]


def test_an_arm_that_starts_from_another_has_its_cost_before_it(experiment: Experiment, whole: Path) -> None:
    curve = Played(experiment, whole).curve("rl_after", 0, "id")
    assert [one.update for one in curve] == [0, 5, 10]
    assert [one.compute for one in curve] == pytest.approx([5 * UPDATE, 10 * UPDATE, 15 * UPDATE])
    assert curve[0].run.path.name == "sft-s0"
    assert curve[0].metrics["success"] == pytest.approx(0.7, abs=0.02)


def test_equal_compute_is_the_evaluation_nearest_to_it(experiment: Experiment, whole: Path) -> None:
    played = Played(experiment, whole)
    assert played.nearest("sft", 0, "ood", 11 * UPDATE).update == 10
    assert played.nearest("sft", 0, "ood", 9 * UPDATE).update == 10
    assert played.nearest("base", 0, "ood", 0.0).update == 0
    with pytest.raises(NotFound, match="rl_after-s0 is not measured on ood at equal compute"):
        played.nearest("rl_after", 0, "ood", UPDATE)


@pytest.mark.parametrize(("arm", "updates"), [("rl", 3), ("sft", 30), ("rl", 0), ("rl_after", 5)])
def test_no_arm_is_at_equal_compute_before_its_training_or_far_from_it(
    experiment: Experiment, whole: Path, arm: str, updates: int
) -> None:
    """The last is at its own start, which has cost as much."""
    with pytest.raises(NotFound, match="give or take 25%: it is at update 0"):
        Played(experiment, whole).nearest(arm, 0, "ood", updates * UPDATE)


def test_a_run_that_is_not_begun_has_no_curve(experiment: Experiment, play: Play, out: Path) -> None:
    play("sft", 0, {5: (0.5, 0.5)}, state="running")
    played = Played(experiment, out)
    assert not played.finished("sft", 0)
    assert [one.update for one in played.curve("sft", 0, "id")] == [5]
    assert played.curve("rl", 0, "id") == []
    with pytest.raises(NotFound, match="sft-s0 is not measured on id at update 20"):
        played.at("sft", 0, "id", "end")
