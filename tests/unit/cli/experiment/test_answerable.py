"""Claims that no run could answer are told before anything is played."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farfield_cli.experiment.definition import catalogue, files
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Comparison, Origin
from farfield_cli.experiment.judging.answerable import check_claims
from farfield_cli.experiment.judging.claims import answer
from farfield_cli.experiment.judging.played import Played
from farfield_kernel.errors import InvalidArgument

Changed = Callable[..., Experiment]


@pytest.fixture
def changed(experiment: Experiment) -> Changed:
    """One claim alone, and changes of its arm `rl`."""

    def change(rl: dict[str, Any], **claim: Any) -> Experiment:
        arm = experiment.arms["rl"].model_copy(update=rl)
        measured = Comparison.model_validate(
            {"compare": {"arm": "rl", "suite": "ood"}, "with": {"arm": "base", "suite": "ood"}} | claim
        )
        first = experiment.claims[0].model_copy(update=dict(measured) | {"control": None})
        return replace(experiment, arms=experiment.arms | {"rl": arm}, claims=(first,))

    return change


def run_of(**evaluation: Any) -> dict[str, Any]:
    return {"run": {"base": "model", "updates": 10, "evaluation": evaluation}}


@pytest.mark.parametrize(
    ("rl", "claim", "says"),
    [
        ({"suites": ("id",)}, {}, "rl is not measured on ood, but on id"),
        (run_of(at_end=False, every=3), {}, "rl is not measured at update 10, but at 0, 3, 6, 9"),
        (run_of(every=3), {"at": 4}, "rl is not measured at update 4, but at 0, 3, 6, 9, 10"),
        (run_of(at_end=False, every=3), {"at": "equal_compute"}, "rl is not measured at update 10"),
        (
            {"origin": Origin(arm="sft", update=7)} | run_of(at_start=False),
            {"at": "start"},
            "sft is not .* 7",
        ),
    ],
)
def test_what_will_not_be_measured_is_told(
    changed: Changed, rl: dict[str, Any], claim: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"claim rl_above_sft: {says}"):
        check_claims(changed(rl, **claim))


def test_a_start_may_be_measured_by_the_arm_itself(changed: Changed) -> None:
    check_claims(changed({"origin": Origin(arm="sft", update=7)} | run_of(at_start=True), at="start"))


def test_an_end_that_is_not_measured_is_not_needed(changed: Changed, whole: Path) -> None:
    found = changed(run_of(at_end=False, every=5), at=5, **{"with": {"arm": "sft", "suite": "ood"}})
    check_claims(
        replace(found, arms=found.arms | {"sft": found.arms["sft"].model_copy(update=run_of(every=5))})
    )
    for path in whole.glob("runs/lane/rl-s*/reports.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if '"update": 10' not in line))
    assert answer(found.claims[0], Played(found, whole)).difference


@pytest.mark.parametrize("path", catalogue.all_files(), ids=lambda path: path.stem)
def test_those_of_the_examples_are_answered(path: Path) -> None:
    for scale in files.read_file(path).scales:
        check_claims(files.read(path, scale))
