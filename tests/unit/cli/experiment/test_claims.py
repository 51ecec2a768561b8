import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from farfield_cli.demo.verdict import Status
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Arm, Comparison
from farfield_cli.experiment.judging import claims
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.judging.statistics import Difference

from .conftest import Play


def comparison(**changes: object) -> Comparison:
    given = {"compare": {"arm": "rl", "suite": "ood"}, "with": {"arm": "sft", "suite": "ood"}} | changes
    return Comparison.model_validate(given)


def test_a_difference_that_stands_out_is_supported(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.status is Status.SUPPORTED
    assert found.difference
    assert found.difference.estimate == pytest.approx(0.25, abs=0.02)


def test_a_bar_that_is_missed_is_not_supported(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(at_least=0.5), Played(experiment, whole))
    assert found.status is Status.NOT_SUPPORTED


def test_a_difference_at_the_bar_asks_for_more(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(at_least=0.249), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert "seeds" in found.why


def test_one_seed_is_told_to_be_one(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(), Played(experiment.with_seeds(1), whole))
    assert found.status is Status.SUPPORTED
    assert "of one seed" in found.why
    assert found.data()["spread"] is None


def test_equal_compute_names_what_was_compared(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(at="equal_compute"), Played(experiment, whole))
    assert found.why.endswith("; compared rl at update 10 (30M FLOPs) with sft at update 10 (30M FLOPs)")
    first, second = found.data()["compared"][2]
    assert first == {"run": "rl-s2", "version": 10, "compute": pytest.approx(3e7)}
    assert second == {"run": "sft-s2", "version": 10, "compute": pytest.approx(3e7)}


def test_the_start_of_an_arm_is_not_its_training_at_equal_compute(
    experiment: Experiment, whole: Path, play: Play
) -> None:
    """RL's first evaluation costs more than all of SFT: its base would be compared instead."""
    for seed in experiment.seeds:
        shutil.rmtree(whole / "runs" / "lane" / f"rl-s{seed}")
        play("rl", seed, {10: (0.8, 0.3)})
        play("sft", seed, {5: (0.7, 0.15), 20: (0.7, 0.15)})
    experiment = replace(experiment, arms=experiment.arms | {"sft": _short(experiment.arms["sft"])})
    found = claims.answer(comparison(at="equal_compute"), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert found.difference is None
    assert found.why.startswith("rl-s0 is not measured on ood at equal compute, 15M FLOPs")


def _short(arm: Arm) -> Arm:
    return arm.model_copy(update={"run": arm.run | {"updates": 5}})


def test_few_episodes_claim_nothing(experiment: Experiment, whole: Path) -> None:
    for path in whole.glob("runs/lane/*/outcomes/ood/*.json"):
        path.write_text(json.dumps({"episodes": json.loads(path.read_text())["episodes"][:10]}))
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert "30 graded episodes" in found.why


def test_what_is_not_finished_is_named(experiment: Experiment, whole: Path, play: Play) -> None:
    play("sft", 2, {5: (0.7, 0.15)}, state="running")
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert found.why == "provisional; not finished: sft-s2"
    assert found.difference
    assert len(found.difference.by_seed) == 2


def test_a_run_that_lost_an_episode_claims_nothing(experiment: Experiment, whole: Path) -> None:
    path = whole / "runs" / "lane" / "rl-s1" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"trained_exactly_once": False}))
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert found.why.startswith("rl-s1 did not train")


def test_runs_without_outcomes_say_so(experiment: Experiment, whole: Path) -> None:
    for path in whole.glob("runs/lane/rl-s*/outcomes/ood/*.json"):
        path.unlink()
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert found.difference is None


def test_correcting_is_measured_where_revision_was_blind(experiment: Experiment, whole: Path) -> None:
    both = {"arm": "rl", "suite": "ood", "metric": "correction"}
    claim = comparison(compare=both, **{"with": both | {"at": "start"}})
    found = claims.answer(claim, Played(experiment, whole))
    assert found.status is Status.NOT_ENOUGH
    assert found.why.startswith("no graded episode has the measure")
    for path in whole.glob("runs/lane/*/reports.jsonl"):
        path.write_text(path.read_text().replace('"success": ', '"attempt_1": 0.5, "success": '))
    assert claims.answer(claim, Played(experiment, whole)).difference


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("metric/recognition", "+25.0 points, 95 % interval −5.0 to +55.0"),
        ("step_accuracy", "+25.0 points, 95 % interval −5.0 to +55.0"),
        ("metric/return", "+0.25, 95 % interval −0.05 to +0.55"),
        ("reward_mean", "+0.25, 95 % interval −0.05 to +0.55"),
        ("turns_mean", "+0.25, 95 % interval −0.05 to +0.55"),
    ],
)
def test_shares_alone_are_told_in_points(metric: str, text: str) -> None:
    assert claims.said(Difference(0.25, -0.05, 0.55, 0.15, (0.25,), 100), metric) == text


def test_failed_episodes_are_in_no_pair(experiment: Experiment, whole: Path) -> None:
    found = claims.answer(comparison(), Played(experiment, whole))
    assert found.difference
    assert found.difference.episodes == 3 * 199
