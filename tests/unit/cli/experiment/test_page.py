import csv
import json
import re
from pathlib import Path

import pytest

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.pages import browser, page, tables, view
from farfield_cli.experiment.pages.result import collect
from farfield_cli.report import palette

from .conftest import chromium


def test_everything_is_written(experiment: Experiment, with_episodes: Path) -> None:
    data = page.write(experiment, with_episodes)
    assert json.loads((with_episodes / "experiment.json").read_text()) == data
    assert (with_episodes / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((with_episodes / "results.csv").read_text().splitlines()))
    ends = [row for row in rows if row["arm"] == "rl" and row["suite"] == "ood" and row["update"] == "10"]
    assert {row["seed"] for row in ends} == {"0", "1", "2", "all"}
    html = (with_episodes / "report.html").read_text()
    assert "without its control" in html
    assert "paper 11.5 → 3.4" in html
    assert html.count("</script>") == 2
    assert not re.search(r'(?:src|href)="(?!#)', html)


def test_a_page_of_nothing_yet(experiment: Experiment, out: Path) -> None:
    page.write(experiment, out)
    html = (out / "report.html").read_text()
    assert "Provisional" in html
    assert "No episodes were kept." in html


def test_a_page_is_bounded_and_says_so(experiment: Experiment, with_episodes: Path) -> None:
    played = Played(experiment, with_episodes)
    everything = browser.shown(played)
    assert everything.left_out == ""
    some = browser.shown(played, most_text=40_000, most_pictures=0)
    assert some.pictures == {}
    assert 0 < len(some.shelves) < len(everything.shelves)
    assert some.left_out.startswith(
        f"To keep the page small {len(everything.shelves) - len(some.shelves)} of"
    )
    assert {(one["arm"], one["version"]) for one in some.shelves if one["seed"] == 0} >= {
        ("base", 0),
        ("sft", 20),
        ("rl", 10),
    }


def test_responses_are_read_token_by_token(experiment: Experiment, with_episodes: Path) -> None:
    shelf = browser.shown(Played(experiment, with_episodes)).shelves[0]
    (turn,) = shelf["episodes"][0]["turns"]
    assert turn["tokens"] == ["+", " -", " <end>"]
    assert turn["logprobs"] == [-0.01, -1.5, -6.0]
    assert turn["messages"][0]["parts"][1]["cards"] == ["4", "Q", "2", "K"]


def test_every_measure_is_told_in_its_unit(experiment: Experiment, whole: Path) -> None:
    """Not by its size: half a point of reward is no half of the episodes."""
    for path in whole.glob("runs/lane/*/reports.jsonl"):
        reward = '"term/game/reward": -0.5, "term/game/reward_stderr": 0.1, "success": '
        path.write_text(path.read_text().replace('"success": ', reward))
    table = next(iter(tables.measured(collect(experiment, whole))))
    assert set(table.columns) == {"solved, %", "game/reward"}
    cells = dict(zip(table.columns, table.rows[0].cells, strict=True))
    assert cells["game/reward"].startswith("-0.50 ± 0.")
    assert cells["solved, %"].startswith("6")


def test_claims_share_one_scale(experiment: Experiment, whole: Path) -> None:
    first, second = view.claim_views(collect(experiment, whole)["claims"])
    assert first.found.span
    assert second.found.span
    assert first.control
    assert first.found.span.zero == second.found.span.zero
    assert first.found.span.low < first.found.span.at < first.found.span.high
    assert second.control is None


@pytest.mark.parametrize(("colours", "paper"), [(palette.LIGHT, "#ffffff"), (palette.DARK, "#14171b")])
def test_series_can_be_read_as_text(colours: tuple[str, ...], paper: str) -> None:
    for colour in colours:
        assert chromium.contrast(bytes.fromhex(colour[1:]), bytes.fromhex(paper[1:])) >= 4.5


def test_series_keep_their_colours() -> None:
    assert palette.places(["base", "sft", "rl"]) == {"base": 0, "sft": 2, "rl": 1}
    many = palette.places([f"sft-{n}" for n in range(12)])
    assert len(set(many.values())) == len(palette.LIGHT)
