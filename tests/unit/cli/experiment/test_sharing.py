"""Runs that two experiments have in common are played once."""

import json
import shutil
from pathlib import Path

import pytest

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.files import read, read_file
from farfield_cli.experiment.definition.jobs import jobs
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.pages.result import collect
from farfield_cli.experiment.playing.folder import Choice, Folder
from farfield_cli.experiment.playing.sharing import take_over
from farfield_cli.experiment.playing.starts import path_of, starts_of, write
from farfield_kernel.errors import FailedPrecondition

from .conftest import CHECKPOINT

EXPERIMENTS = Path(__file__).parents[4] / "examples" / "experiments"
EXTENDED = """
extends: game.yaml
title: The same game, with one more arm
arms:
  sft: {{evaluation: {{every: {every}}}}}
  more: {{label: more, algorithm: {{kind: rl}}, updates: 10, batch: {{groups: 8}}}}
suites:
  ood: {{episodes: {episodes}}}
"""


def begin(out: Path, experiment: Experiment) -> None:
    for run_id, start in starts_of(jobs(experiment)).items():
        write(out, run_id, start)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """An experiment's own, with everything played, and the weights kept that `rl_after` starts from."""
    (whole / "runs").rename(tmp_path / "played")
    path = tmp_path / "game.yaml"
    Folder(whole).take(Choice(path), read_file(path))
    (tmp_path / "played").rename(whole / "runs")
    begin(whole, read(path))
    for run in whole.glob("runs/lane/sft-*"):
        (run / "weights" / "000005").mkdir(parents=True)
    return whole


def other(tmp_path: Path, every: int = 10, episodes: int = 200) -> tuple[Experiment, Folder]:
    path = tmp_path / "other.yaml"
    path.write_text(EXTENDED.format(every=every, episodes=episodes))
    made = Folder(tmp_path / "other")
    made.take(Choice(path), read_file(path))
    return read(path), made


def test_arms_in_common_are_taken_with_all_that_they_left(folder: Path, tmp_path: Path) -> None:
    experiment, made = other(tmp_path)
    taken = take_over(experiment, made)
    assert list(taken) == ["out"]
    assert sorted(taken["out"]) == sorted(
        f"{arm}-s{seed}" for arm in ("base", "sft", "rl") for seed in (0, 1, 2)
    )
    mine, theirs = Played(experiment, made.path), Played(experiment, folder)
    assert [one.metrics for one in mine.curve("sft", 1, "ood")] == [
        one.metrics for one in theirs.curve("sft", 1, "ood")
    ]
    assert mine.curve("rl", 2, "id")[-1].outcomes == theirs.curve("rl", 2, "id")[-1].outcomes
    assert collect(experiment, made.path)["costs"]["taken"] == 9
    assert take_over(experiment, made) == {}, "they are there now"


def test_it_outlives_the_folder_that_it_is_from(folder: Path, tmp_path: Path) -> None:
    experiment, made = other(tmp_path)
    take_over(experiment, made)
    Folder(folder).forget()
    assert Played(experiment, made.path).finished("rl", 0)


@pytest.mark.parametrize(
    ("every", "episodes"), [(4, 200), (10, 300)], ids=["other updates", "other episodes"]
)
def test_what_is_measured_otherwise_is_played(
    folder: Path, tmp_path: Path, every: int, episodes: int
) -> None:
    assert folder.exists()
    experiment, made = other(tmp_path, every, episodes)
    assert "sft-s0" not in take_over(experiment, made).get("out", [])


def test_what_is_not_over_or_trained_otherwise_is_played(folder: Path, tmp_path: Path) -> None:
    record = folder / "runs" / "lane" / "rl-s0" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"state": "running"}))
    experiment, made = other(tmp_path)
    taken = take_over(experiment, made)["out"]
    assert "rl-s0" not in taken
    assert "rl-s1" in taken
    assert not [name for name in taken if name.startswith("more")]


def test_weights_that_others_start_from_have_to_be_there(folder: Path, tmp_path: Path) -> None:
    (folder / "runs" / "lane" / "sft-s2" / "weights" / "000005").rmdir()
    experiment, made = other(tmp_path)
    taken = take_over(experiment, made)["out"]
    assert "sft-s1" in taken
    assert "sft-s2" not in taken


@pytest.mark.parametrize(
    "changed",
    [
        {"files": "of another checkpoint at the same path"},
        {"plugins": {"environment game": "0.9", "verifier game": "1"}},
        {"files": ""},
    ],
    ids=["another base", "another environment", "unknown base"],
)
def test_what_was_begun_with_something_else_is_played(
    folder: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    path = path_of(folder, "rl-s0")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    experiment, made = other(tmp_path)
    taken = take_over(experiment, made)["out"]
    assert "rl-s0" not in taken
    assert "rl-s1" in taken


def test_a_base_is_known_by_its_files_wherever_they_are(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(CHECKPOINT, copy)
    for path in folder.glob("starts/*.json"):
        path.write_text(path.read_text().replace(str(CHECKPOINT), str(copy)))
    assert "rl-s0" in take_over(*other(tmp_path))["out"]


@pytest.mark.parametrize("start", [None, "{", "[]", '{"config": {}, "odd": 1}'])
def test_what_does_not_say_how_it_was_begun_is_played(
    folder: Path, tmp_path: Path, start: str | None
) -> None:
    path = path_of(folder, "rl-s0")
    path.unlink() if start is None else path.write_text(start)
    taken = take_over(*other(tmp_path))["out"]
    assert "rl-s0" not in taken
    assert "rl-s1" in taken


def test_a_run_that_was_taken_is_known_by_its_own_start(folder: Path, tmp_path: Path) -> None:
    experiment, made = other(tmp_path)
    take_over(experiment, made)
    assert path_of(made.path, "rl-s0").read_text() == path_of(folder, "rl-s0").read_text()
    path = tmp_path / "other.yaml"
    assert made.take(Choice(path), read_file(path))
    start = path_of(made.path, "rl-s0")
    start.write_text(json.dumps(json.loads(start.read_text()) | {"files": "others"}))
    with pytest.raises(FailedPrecondition, match=r"rl-s0 \(another base\)"):
        made.take(Choice(path), read_file(path))


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("diversity", {"base", "sft", "sft_matched", "rl"}),
        ("suboptimal", {"base", "sft", "sft_matched", "rl"}),
        ("bases", {"base", "sft", "sft_matched", "rl"}),
        ("chain-of-thought", {"base", "rl"}),
        ("overfit", {"base", "rl"}),
        ("rates", {"base", "rl_rate-2"}),
        ("recovery", {"base"}),
    ],
)
def test_what_the_experiments_on_the_game_have_of_the_first(
    name: str, arms: set[str], tmp_path: Path
) -> None:
    first = Folder(tmp_path / "gp-l")
    file = EXPERIMENTS / "gp-l.yaml"
    first.take(Choice(file), read_file(file))
    for job in jobs(read(file)):
        run = first.runs / "lane0" / job.run_id
        run.mkdir(parents=True)
        (run / "run.json").write_text('{"state": "succeeded"}')
        (run / "summary.json").write_text('{"episodes": {}}')
    begin(first.path, read(file))
    choice = Choice(EXPERIMENTS / f"{name}.yaml", seeds=1)
    made = Folder(tmp_path / name)
    made.take(choice, read_file(choice.path))
    assert set(take_over(choice.of(read_file(choice.path)), made)["gp-l"]) == {f"{arm}-s0" for arm in arms}
