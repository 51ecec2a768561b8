import hashlib
import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_POLICY, EpisodeSpec, Trajectory
from farfield.types.v1.types_pb2 import ROLE_USER, Image, Message, Part
from farfield_cli.__main__ import app
from farfield_cli.evaluation import files
from farfield_cli.evaluation.page import eval_page
from farfield_cli.evaluation.plan import EvalPlan
from farfield_cli.evaluation.play import Episode
from farfield_cli.evaluation.result import Result
from farfield_cli.evaluation.suites import SUITES
from farfield_cli.evaluation.view import EvalView
from farfield_cli.report.report import render

PICTURE = b"\x89PNG as far as anyone looks"
DIGEST = hashlib.sha256(PICTURE).hexdigest()


def episode(index: int, pictures: dict[str, bytes]) -> Episode:
    shown = Image(media_type="image/png", sha256=DIGEST)
    message = Message(role=ROLE_USER, parts=[Part(image=shown), Part(text="your cards")])
    trajectory = Trajectory(spec=EpisodeSpec(suite="id", index=index))
    trajectory.turns.add(messages=[message], response_text="24")
    return Episode(trajectory, pictures)


def test_the_report_of_an_evaluation(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    files.write(tmp_path, make_result(), [episode(0, {DIGEST: PICTURE}), episode(1, {})])
    page = eval_page(tmp_path)
    assert page.results.columns == ("id (ID)", "ood (OOD by rule)")
    assert page.results.rows[0].cells[0] == "75.0 ± 21.7"
    (shelf,) = page.episodes
    assert (shelf["suite"], len(shelf["episodes"])) == ("id", 2)
    (message,) = shelf["episodes"][0]["turns"][0]["messages"]
    assert message["parts"] == [{"image": DIGEST}, {"text": "your cards"}]
    assert page.pictures[DIGEST].startswith("data:image/png;base64,")
    assert "75.0 ± 21.7" in render(page)


def test_a_second_evaluation_takes_the_place_of_the_first(
    tmp_path: Path, make_result: Callable[..., Result]
) -> None:
    files.write(tmp_path, make_result(), [episode(0, {DIGEST: PICTURE})])
    files.write(tmp_path, make_result(), [episode(0, {})])
    assert files.pictures(tmp_path) == []
    assert len(list(files.episodes(tmp_path))) == 1


def test_a_log_has_a_line_for_each_variant() -> None:
    out = io.StringIO()
    suite = SUITES["gp-l"]
    plan = EvalPlan(
        suite=suite, environments=dict.fromkeys(("id", "ood")), reward=None, sampling=None, prompt=None,
        weights=None, episodes=2, seed=0,
    )  # fmt: skip
    view = EvalView(Console(file=out), plan)
    solved = Trajectory(spec=EpisodeSpec(suite="id"), success=True)
    failed = Trajectory(spec=EpisodeSpec(suite="id", index=1), failure=FAILURE_POLICY)
    with view.showing():
        view.observe(solved)
        assert out.getvalue() == ""
        view.observe(failed)
    assert out.getvalue() == "id: 100.0 ± 0.0 % solved, failed: 1 policy\n"


def test_farfield_report_takes_an_evaluation(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    files.write(tmp_path / "eval", make_result(), [episode(0, {DIGEST: PICTURE})])
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(tmp_path / "eval"), "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert DIGEST in page.read_text()
