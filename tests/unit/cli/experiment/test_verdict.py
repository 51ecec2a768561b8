from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from farfield_cli.demo.verdict import Status
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Control
from farfield_cli.experiment.judging import verdict
from farfield_cli.experiment.judging.claims import Answer
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.judging.verdict import Judged, Standing
from farfield_cli.experiment.pages import page, view
from farfield_cli.experiment.pages.result import collect
from farfield_cli.experiment.pages.summary import markdown

FAILS = {"compare": {"arm": "sft", "suite": "ood"}, "with": {"arm": "rl", "suite": "ood"}}


@pytest.fixture
def failing(experiment: Experiment) -> Experiment:
    """Its first claim is supported, and the control says the opposite."""
    first, *others = experiment.claims
    control = Control.model_validate(FAILS)
    return replace(experiment, claims=(first.model_copy(update={"control": control}), *others))


def test_a_control_is_answered_as_the_claim_is(experiment: Experiment, whole: Path) -> None:
    first, second = verdict.judged(Played(experiment, whole))
    assert first.control
    assert first.control.difference
    assert first.control.difference.estimate == pytest.approx(0.20, abs=0.02)
    assert second.control is None
    assert [first.standing, second.standing] == [Standing.SUPPORTED] * 2
    assert verdict.line([first, second]) == "Of 2 claims: 2 supported."
    assert verdict.line([]) == "Nothing is claimed: the experiment measures."


def test_no_experiment_is_supported_whose_control_fails(failing: Experiment, whole: Path) -> None:
    data = collect(failing, whole)
    assert data["verdict"]["status"] == "supported, control fails"
    assert data["verdict"]["line"] == (
        "Of 2 claims: 1 supported; 1 supported, control fails (“On the unseen rule RL ends above SFT”)."
    )
    assert data["claims"][0]["status"] == "supported, control fails"
    assert data["claims"][0]["estimate"] > 0.2
    assert view.claim_views(data["claims"])[0].found.badge == "Supported, control fails"
    assert view.mood(data["verdict"]["status"]) == "control-fails"
    html = page.html_of(failing, whole)
    assert '<section class="verdict control-fails"' in html
    assert '<span class="badge hollow">Supported, control fails</span>' in html


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ([("supported", "supported"), ("supported", None)], Standing.SUPPORTED),
        ([("supported", "supported"), ("supported", "not enough data")], Standing.CONTROL_OPEN),
        ([("supported", "not supported"), ("supported", "not enough data")], Standing.CONTROL_FAILS),
        ([("supported", "not supported"), ("not enough data", "supported")], Standing.NOT_ENOUGH),
        ([("not supported", "supported"), ("not enough data", "supported")], Standing.NOT_SUPPORTED),
        ([], Standing.NOT_ENOUGH),
    ],
)
def test_an_experiment_stands_as_its_weakest_claim(
    experiment: Experiment, statuses: Sequence[tuple[str, str | None]], found: Standing
) -> None:
    judged = [
        Judged(
            experiment.claims[0], Answer(Status(claim), ""), Answer(Status(control), "") if control else None
        )
        for claim, control in statuses
    ]
    assert verdict.of_all(judged) is found


def test_a_result_of_before_is_summed_up_with_its_controls(failing: Experiment, whole: Path) -> None:
    data = collect(failing, whole)
    data["claims"][0]["status"] = "supported"
    (line,) = [one for one in markdown([data]).splitlines() if "ends above SFT |" in one]
    assert "| supported, control fails |" in line
