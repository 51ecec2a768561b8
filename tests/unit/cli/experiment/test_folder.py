"""What an experiment finds in its folder, and what it starts runs from."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farfield_cli.experiment.definition import plan
from farfield_cli.experiment.definition.files import read_file
from farfield_cli.experiment.definition.jobs import jobs
from farfield_cli.experiment.playing import starts
from farfield_cli.experiment.playing.folder import Choice, Folder
from farfield_cli.experiment.playing.origins import Origins
from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_kernel.weights import fingerprint

EXPERIMENTS = Path(__file__).parents[4] / "examples" / "experiments"
CHOICE = Choice(EXPERIMENTS / "recovery.yaml", seeds=1, quick=True)
FILE = read_file(CHOICE.path)
Played = Callable[[str, dict[str, Any]], Path]


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """A run's folder, as far as others look at it; the config that it was given has what it is asked for."""
    known = {job.run_id: job.config for job in jobs(CHOICE.of(FILE))}

    def make(run_id: str, reports: dict[str, Any]) -> Path:
        folder = tmp_path / "runs" / "lane0" / run_id
        (folder / "weights" / "000001").mkdir(parents=True)
        record = {"state": "succeeded", "config": known.get(run_id, {}) | {"base_tokens": 7}}
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "reports.jsonl").write_text(json.dumps(reports) + "\n")
        return folder

    return make


def test_the_same_again_goes_on_and_more_seeds_and_arms_may_come(tmp_path: Path, played: Played) -> None:
    folder = Folder(tmp_path)
    assert not folder.take(replace(CHOICE, arms=("sft",)), FILE)
    folder.spent.seconds = 12.0
    folder.save()
    played("sft-s0", {})
    again = Folder(tmp_path)
    assert again.take(replace(CHOICE, seeds=3), FILE)
    assert again.spent.seconds == 12.0
    assert len(again.opened().seeds) == 3


def test_runs_that_would_be_played_otherwise_are_in_the_way(tmp_path: Path, played: Played) -> None:
    Folder(tmp_path).take(CHOICE, FILE)
    assert Folder(tmp_path).take(replace(CHOICE, deterministic=True), FILE), "nothing is begun"
    played("sft-s0", {})
    with pytest.raises(FailedPrecondition, match=r"begun otherwise: sft-s0 \(another config\)"):
        Folder(tmp_path).take(replace(CHOICE, quick=False), FILE)


def test_runs_are_not_forgotten_while_other_arms_are_chosen(tmp_path: Path, played: Played) -> None:
    Folder(tmp_path).take(CHOICE, FILE)
    played("sft-s0", {})
    Folder(tmp_path).take(replace(CHOICE, arms=("base",)), FILE)
    assert set(Folder(tmp_path).opened().arms) == {"base", "sft"}
    changed = FILE.model_copy(update={"common": FILE.common | {"keep_weights": 5}})
    with pytest.raises(FailedPrecondition, match="sft-s0"):
        Folder(tmp_path).take(CHOICE, changed)


def test_a_run_is_compared_with_its_own_record(tmp_path: Path, played: Played) -> None:
    """Also where the settings say that it was played as it is wanted now."""
    Folder(tmp_path).take(CHOICE, FILE)
    record = played("sft-s0", {}) / "run.json"
    data = json.loads(record.read_text())
    record.write_text(json.dumps(data | {"config": data["config"] | {"updates": 99}}))
    with pytest.raises(FailedPrecondition, match="sft-s0"):
        Folder(tmp_path).take(CHOICE, FILE)


def test_forgetting_removes_what_was_made_and_nothing_else(tmp_path: Path, played: Played) -> None:
    Folder(tmp_path).forget()
    played("mine", {})
    with pytest.raises(FailedPrecondition, match="not an experiment's"):
        Folder(tmp_path).take(CHOICE, FILE)
    (tmp_path / "runs").rename(tmp_path / "mine")
    Folder(tmp_path).take(CHOICE, FILE)
    played("sft-s0", {})
    Folder(tmp_path).forget()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_a_kill_left_without_its_record_goes(tmp_path: Path) -> None:
    Folder(tmp_path).take(CHOICE, FILE)
    (tmp_path / "runs" / "lane0" / "sft-s0").mkdir(parents=True)
    Folder(tmp_path).take(CHOICE, FILE)
    assert list(tmp_path.glob("runs/lane0/*")) == []


async def test_a_run_from_another_has_its_weights_and_what_they_cost(tmp_path: Path, played: Played) -> None:
    experiment = CHOICE.of(FILE)
    after = next(job for job in jobs(experiment) if job.arm == "rl_from-1")
    origins = Origins(experiment, tmp_path)
    with pytest.raises(NotFound, match="run sft-s0, to start from"):
        await origins.filled(after)
    metrics = {"tokens_init": 7.0, "tokens_train": 100.0, "tokens_buffer": 30.0}
    folder = played("sft-s0", {"kind": "update", "update": 1, "metrics": metrics})
    filled = await origins.filled(after)
    assert filled["base"] == str(folder.resolve() / "weights" / "000001")
    assert filled["base_tokens"] == 7 + 100 + 10


async def test_what_a_run_begins_with_is_written_once(tmp_path: Path, played: Played) -> None:
    job = jobs(CHOICE.of(FILE))[0]
    config = await Origins(CHOICE.of(FILE), tmp_path).begun(job)
    assert config["base"].endswith("examples/tiny/checkpoint")
    start = starts.read(tmp_path, "sft-s0")
    assert start
    assert start.config == {key: value for key, value in config.items() if key != "base"}
    assert start.files == fingerprint(Path(config["base"]))
    assert list(start.plugins) == ["environment generalpoints", "verifier generalpoints"]
    played("sft-s0", {})
    starts.path_of(tmp_path, "sft-s0").unlink()
    await Origins(CHOICE.of(FILE), tmp_path).begun(job)
    assert starts.read(tmp_path, "sft-s0") is None, "of an older run it is not known"


def test_others_are_played_after_what_they_start_from(tmp_path: Path) -> None:
    order = [job.arm for job in jobs(CHOICE.of(FILE))]
    assert order[0] == "sft"
    assert set(order) == set(CHOICE.of(FILE).arms)


def test_a_plan_is_a_run_file_for_each_run(tmp_path: Path) -> None:
    experiment = Choice(EXPERIMENTS / "recovery.yaml", scale="paper", seeds=1).of(FILE)
    written = plan.write(experiment, tmp_path / "plan", "/runs/")
    assert len(written) == len(experiment.arms)
    text = (tmp_path / "plan" / "rl_from-2-s0.yaml").read_text()
    assert "base: /runs/sft-s0/weights/000200" in text
    assert "Starts from version 200 of sft-s0" in text
    assert "keep_versions:\n- 40\n- 200\n- 400\n" in (tmp_path / "plan" / "sft-s0.yaml").read_text()
