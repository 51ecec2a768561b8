from collections.abc import Callable
from pathlib import Path

import pytest

from farfield_cli.demo import summary as demo_summary
from farfield_cli.demo.curves import draw
from farfield_cli.demo.demo import finished, runs_of
from farfield_cli.demo.report import demo_page
from farfield_cli.demo.summary import Outcome, Runs
from farfield_cli.demo.verdict import Status
from farfield_cli.runs.run_folder import Json
from farfield_kernel.errors import FailedPrecondition

CURVES = {
    "sft/init": {0: (0.647, 0.197)},
    "sft/sft": {60: (0.70, 0.12), 240: (0.732, 0.074)},
    "sft/sft_matched": {45: (0.70, 0.20)},
    "rl/rl": {9: (0.75, 0.22), 45: (0.867, 0.280)},
}
MEMORY = {"peak_bytes": 2_000_000_000, "peak_by_process": {"farfield": 2_000_000_000}}


@pytest.fixture
def played(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    for place, curve in CURVES.items():
        for seed, change in enumerate((-0.002, 0.002)):
            moved = {update: (id_ + change, ood + change) for update, (id_, ood) in curve.items()}
            make_run(tmp_path / "runs" / f"{place}-s{seed}", moved, episodes=1000)
    return tmp_path


def summed(runs: Runs) -> tuple[Outcome, Json]:
    found = demo_summary.outcome(runs)
    return found, demo_summary.summary(runs, found, {"start": 5.0, "total": 60.0}, MEMORY, {"policy.rl": 1})


def test_seeds_are_pooled_point_by_point(played: Path) -> None:
    _, data = summed(runs_of(played, 2))
    point = data["rl"]["ood"]
    assert point["success"] == pytest.approx(0.28)
    assert point["n"] == 2000
    assert point["spread"] == pytest.approx(0.0028, abs=1e-4)
    assert point["stderr"] == pytest.approx(0.01, abs=1e-4)
    assert [seed["rl"]["ood"]["success"] for seed in data["by_seed"]] == pytest.approx([0.278, 0.282])


def test_the_summary_counts_what_was_played_and_spent(played: Path) -> None:
    found, data = summed(runs_of(played, 2))
    evaluated = 2 * 1000 * 2 * (1 + 2 + 1 + 2)
    assert data["episodes"] == evaluated + 8 * (7 + 1)
    assert data["turns"] == 2 * evaluated + 8 * 20
    assert data["trained_exactly_once"] is True
    assert data["seconds"] == {
        "init": 7.0,
        "sft": 7.0,
        "sft_matched": 7.0,
        "rl": 7.0,
        "start": 5.0,
        "total": 60.0,
    }
    assert data["restarts"] == {"policy.rl": 1}
    assert data["compute"]["rl"]["parameters"] == 10
    assert found.verdict.status is Status.SUPPORTED


def test_every_curve_begins_at_the_base(played: Path) -> None:
    _, data = summed(runs_of(played, 2))
    for branch, updates in (("rl", [0, 9, 45]), ("sft", [0, 60, 240]), ("sft_matched", [0, 45])):
        curve = data["curves"][branch]["ood"]
        assert [point["update"] for point in curve] == updates
        assert curve[0]["compute"] == 0
        assert curve[0]["success"] == pytest.approx(0.197)


def test_an_episode_that_is_unaccounted_for_shows(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """Although the trainer's own audit said yes."""
    for place, curve in CURVES.items():
        make_run(tmp_path / "runs" / f"{place}-s0", curve, episodes=1000, lost=int(place == "rl/rl"))
    found, data = summed(runs_of(tmp_path, 1))
    assert data["trained_exactly_once"] is False
    assert data["ledger"]["rl"]["trained_exactly_once"] is False
    assert data["ledger"]["sft"]["trained_exactly_once"] is True
    assert found.verdict.status is Status.NOT_ENOUGH


def test_figure_and_page_are_made_of_it(played: Path) -> None:
    runs = runs_of(played, 2)
    found, data = summed(runs)
    draw(found, played / "curves.png")
    assert (played / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = demo_page(runs, found, data)
    assert "Supported at this scale" in page
    assert "28.0 ± 1.0" in page
    assert "By seed" in page
    assert "2 seeds" in page


def test_a_demo_without_summary_is_not_finished(played: Path) -> None:
    with pytest.raises(FailedPrecondition, match="not finished"):
        finished(played)
