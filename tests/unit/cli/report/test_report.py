import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from farfield_cli.report.chart import chart
from farfield_cli.report.points import CurvePoint, Point, binomial
from farfield_cli.report.reading import episode, pictures
from farfield_cli.report.report import render, runs_page
from farfield_cli.report.units import unit_of
from farfield_cli.runs.run_folder import RunFolder, trained_compute
from farfield_kernel.errors import NotFound

EVIL = "</script><script>alert('&<b>')</script>"


@pytest.fixture
def run(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    return make_run(tmp_path / "tried", {0: (0.2, 0.1), 5: (0.6, 0.1)}, text=EVIL)


class Parsed(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_report_needs_nothing_else(run: Path) -> None:
    html = render(runs_page([run]))
    parsed = Parsed(html)
    assert not [tag for tag, attributes in parsed.tags if attributes.keys() & {"src", "href"}]
    assert "url(" not in html
    assert "@import" not in html


def test_what_was_said_cannot_leave_its_place(run: Path) -> None:
    html = render(runs_page([run]))
    assert [tag for tag, _ in Parsed(html).tags].count("script") == 2
    assert "alert('&<b>')" not in html
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert data
    shelf = json.loads(data[1])["shelves"][0]
    assert shelf["episodes"][0]["turns"][0]["response"] == EVIL


def test_names_of_runs_are_escaped_too(run: Path) -> None:
    named = run.rename(run.with_name("a<b>&"))
    html = render(runs_page([named]))
    assert "a<b>&" not in html
    assert "a&lt;b&gt;&amp;" in html


def test_numbers_of_the_run_are_shown(run: Path) -> None:
    html = render(runs_page([run]))
    assert "60.0 ± 6.9" in html
    assert ">yes<" in html
    assert "1.5" in html
    assert "3.5" in html


def test_a_curve_counts_compute_from_the_base(run: Path) -> None:
    curve = RunFolder.at(run).curve("id")
    assert [(point.update, point.compute) for point in curve] == [(0, 0.0), (5, pytest.approx(6 * 10 * 500))]
    assert trained_compute({"compute": 0.0, "tokens_init": 0, "tokens_train": 0, "tokens_buffer": 0}) == 0.0


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"run\.json"):
        runs_page([tmp_path])


def test_an_episode_gets_back_the_zeros_that_protobuf_leaves_out() -> None:
    turns = [{"verdict": {"feedback": "hm", "terms": {"solved": 0.0}}}, {"responseText": "again"}]
    read = episode({"end": "STATE_TRUNCATED", "turns": turns})
    assert read["success"] is False
    assert read["end"] == "cut off"
    verdict = read["turns"][0]["verdict"]
    assert verdict == {
        "reward": 0.0,
        "correct": False,
        "parseable": False,
        "feedback": "hm",
        "terms": {"solved": 0.0},
    }
    assert read["turns"][1]["verdict"] is None


def test_a_failed_episode_says_why() -> None:
    read = episode({"failure": "FAILURE_POLICY", "failureDetail": "it is gone"})
    assert read["failure"] == "it is gone"


def test_a_chart_holds_every_error_bar() -> None:
    drawn = chart(
        "id", {"rl": [CurvePoint(0, 0.0, binomial(0.5, 20)), CurvePoint(9, 3.1e12, binomial(0.9, 20))]}
    )
    (line,) = drawn.lines
    assert line.end == "90.0"
    for dot in line.dots:
        assert drawn.left <= dot.x <= drawn.right
        assert 0 <= dot.high <= dot.y <= dot.low <= drawn.bottom
    assert [tick.label for tick in drawn.x_ticks] == ["0", "1T", "2T", "3T", "4T"]


def test_what_is_no_share_is_drawn_as_it_is() -> None:
    """Returns of −210 and −90: no percent, and no axis of hundreds of steps."""
    points = [Point(-210.0, 40, 12.0), Point(-90.0, 40, 8.0)]
    curve = [CurvePoint(5 * place, place * 1e12, point) for place, point in enumerate(points)]
    drawn = chart("id", {"rl": curve}, unit=unit_of("metric/return"))
    (line,) = drawn.lines
    assert line.end == "-90.00"
    assert line.dots[0].title == "update 0: -210.00 ± 12.00, 40 episodes, 0 FLOPs"
    assert [tick.label for tick in drawn.y_ticks] == ["-250", "-200", "-150", "-100", "-50", "0"]
    assert line.dots[1].y < line.dots[0].y < line.dots[0].low <= drawn.bottom


def test_a_chart_of_nothing_solved_has_an_axis() -> None:
    drawn = chart("id", {"rl": [CurvePoint(5, 1e12, binomial(0.0, 20))]})
    assert [tick.label for tick in drawn.y_ticks] == ["0", "1"]


def with_picture(run: Path, data: bytes) -> str:
    """Has the first kept episode show a picture, whose digest is returned."""
    digest = hashlib.sha256(data).hexdigest()
    blobs = run / "episodes" / "blobs"
    blobs.mkdir(exist_ok=True)
    (blobs / f"{digest}.png").write_bytes(data)
    kept = next((run / "episodes" / "id").glob("*.json"))
    (first, *others) = json.loads(kept.read_text())
    parts = [{"image": {"mediaType": "image/png", "sha256": digest}}, {"text": "What is it?"}]
    first["turns"][0]["messages"] = [{"role": "ROLE_USER", "parts": parts}]
    kept.write_text(json.dumps([first, *others]))
    return digest


def test_pictures_are_in_the_page(run: Path) -> None:
    digest = with_picture(run, b"png")
    page = runs_page([run])
    (message,) = page.episodes[0]["episodes"][0]["turns"][0]["messages"]
    assert message["parts"] == [{"image": digest}, {"text": "What is it?"}]
    assert page.pictures == {digest: "data:image/png;base64," + base64.b64encode(b"png").decode()}
    assert page.pictures[digest] in render(page)


def test_more_pictures_than_a_page_holds_are_left_out(run: Path) -> None:
    with_picture(run, bytes(100))
    assert pictures(runs_page([run]).episodes, RunFolder.at(run).pictures(), most_bytes=99) == {}


def test_right_steps_and_the_environments_own_measures_are_shown(run: Path) -> None:
    reports = (run / "reports.jsonl").read_text().splitlines()
    last = json.loads(next(line for line in reversed(reports[:-1]) if '"id"' in line))
    last["metrics"] |= {"step_accuracy": 0.5, "step_accuracy_stderr": 0.02}
    last["metrics"] |= {"metric/recognition": 0.875, "metric/recognition_stderr": 0.01}
    last["metrics"] |= {"metric/return": 0.5, "metric/return_stderr": 0.25}
    last["metrics"] |= {"term/game/reward": -0.75, "term/game/reward_stderr": 0.1}
    (run / "reports.jsonl").write_text("\n".join([*reports[:-1], json.dumps(last)]) + "\n")
    table = runs_page([run]).tables[0]
    assert [(row.name, row.cells[0]) for row in table.rows] == [
        ("tried · right steps, %", "50.0 ± 2.0"),
        ("tried · recognition, %", "87.5 ± 1.0"),
        ("tried · return", "0.50 ± 0.25"),
        ("tried · term/game/reward", "-0.75 ± 0.10"),
    ]
