import json
from collections.abc import Callable
from pathlib import Path

import pytest

from farfield_cli.evaluation import files, result, wording
from farfield_cli.evaluation.comparison import grid, paired, rewarded_alike
from farfield_cli.evaluation.figure import draw, panels
from farfield_cli.evaluation.result import Result
from farfield_kernel.errors import DataLoss, FarfieldError, InvalidArgument, NotFound

Make = Callable[..., Result]


def test_what_is_written_can_be_read(tmp_path: Path, make_result: Make) -> None:
    made = make_result("11x1")
    files.write(tmp_path, made, [])
    assert result.read(tmp_path) == made
    assert result.read(tmp_path / "eval.json") == made
    data = json.loads((tmp_path / "eval.json").read_text())
    assert data["variants"]["id"]["failed"] == {"environment": 1}
    assert data["variants"]["id"]["measures"]["success"] == {"value": 1.0, "stderr": 0.0, "n": 3}
    assert data["differences"][0] == {
        "from": "id", "to": "ood", "measure": "success", "value": 0.75, "stderr": 0.216506, "n": 3
    }  # fmt: skip


def test_a_file_that_is_no_evaluation(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"eval\.json"):
        result.read(tmp_path)
    (tmp_path / "eval.json").write_text('{"schema": 9}')
    with pytest.raises(InvalidArgument, match="schema 9"):
        result.read(tmp_path)
    (tmp_path / "eval.json").write_text("{")
    with pytest.raises(DataLoss):
        result.read(tmp_path)


def test_the_table(make_result: Make) -> None:
    made = wording.results(make_result("1101", "x010"))
    rows = {row[0]: row[1:] for row in made.rows}
    assert made.heading == ("", "id (ID)", "ood (OOD by rule)")
    assert rows["solved, %"] == ("75.0 ± 21.7", "33.3 ± 27.2")
    assert rows["failed episodes"] == ("0", "1 environment")
    assert rows["graded episodes"] == ("4", "3")
    assert "recognised, %" not in rows
    assert made.rows[1] == (wording.GAP, "", "+41.7 ± 34.8")


def test_no_figure_stands_for_nothing(make_result: Make) -> None:
    rows = {row[0]: row[1:] for row in wording.results(make_result("1101", "xxxx")).rows}
    assert rows["solved, %"] == ("75.0 ± 21.7", "–")
    assert wording.GAP not in rows


def test_every_class_of_failure_has_an_example(make_result: Make) -> None:
    assert wording.reasons(make_result("1x0x", "1000")) == ["id, failed (environment): gone"]


def test_markdown_has_the_table_and_where_it_comes_from(make_result: Make) -> None:
    text = wording.markdown(make_result())
    assert "| solved, % | 75.0 ± 21.7 | 25.0 ± 21.7 |" in text
    assert "| checkpoint | f00d |" in text
    assert "0.87 M parameters" in text


def test_the_bars(tmp_path: Path, make_result: Make) -> None:
    solved, _ = panels(make_result("1101", "xxxx"))
    assert [(bar.variant, bar.label) for bar in solved.bars] == [("id", "75.0")]
    draw(make_result(), [tmp_path / "a.png", tmp_path / "a.svg"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_a_figure_without_any_graded_episode(tmp_path: Path, make_result: Make) -> None:
    draw(make_result("xx", "xx"), [tmp_path / "a.png"])
    assert (tmp_path / "a.png").exists()


def test_pairs_are_of_the_same_episode(make_result: Make) -> None:
    first, second = make_result("1100", "0010"), make_result("111x", "0010")
    one, same = paired(first, second)
    assert (one.gained, one.lost) == (1, 0)
    assert one.differences["success"].value == pytest.approx(1 / 3)
    assert one.differences["success"].n == 3
    assert same.differences["success"].stderr == 0.0
    assert grid([one, same]).rows[0][1] == "+33.3 ± 33.3"


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"settings": {"seed": 1}}, "the seed is 0 in the first and 1"),
        ({"options": {"id": {"split": "train"}, "ood": {}}}, "option split of id"),
        ({"environment": {"name": "virl"}}, "the environment is generalpoints"),
        (
            {"environment": {"name": "generalpoints", "version": "2.0.0"}},
            "the environment's version is 1.0.0",
        ),
    ],
)
def test_other_episodes_are_not_compared(make_result: Make, about: dict, said: str) -> None:
    with pytest.raises(FarfieldError, match=said):
        paired(make_result(), make_result(**about))


@pytest.mark.parametrize(
    "about",
    [
        {"reward": {"leaf": {"verifier": "generalpoints", "options": {"rewards": "outcome"}}}},
        {"verifier": {"name": "generalpoints", "version": "2.0.0"}},
    ],
)
def test_rewards_of_two_kinds_are_not_compared(make_result: Make, about: dict) -> None:
    first, second = make_result(), make_result("1111", **about)
    pairings = paired(first, second)
    assert [row[0] for row in grid(pairings).rows[:3]] == [
        "solved, %",
        "turns",
        "solved by the second / the first alone",
    ]
    assert pairings[0].differences["success"].value == pytest.approx(1 / 4)
    assert not rewarded_alike(first, second)
    assert rewarded_alike(first, first)
    assert "reward" in paired(first, first)[0].differences
