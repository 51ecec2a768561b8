"""`farfield experiment` without a stack."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from farfield_cli.__main__ import app
from farfield_cli.experiment.definition import catalogue


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["experiment", *words], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_the_list_has_every_file() -> None:
    status, said = invoke("list")
    assert status == 0
    for path in catalogue.all_files():
        assert path.stem in said


def test_an_experiment_is_shown_with_its_claims_and_controls() -> None:
    status, said = invoke("show", "no-init")
    assert status == 0
    assert "fresh weights like tiny/checkpoint" in said
    assert "sft_bare, version 200" in said
    assert "RL from weights that do not know the format ends far below RL from the base" in said
    assert "control: and it is the format that it never learns" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "gp-1"), "no experiment 'gp-1'"),
        (("show", "gp-l", "--scale", "huge"), "it has tiny, "),
        (("run", "gp-l", "--scale", "huge"), "it has tiny, "),
        (("plan", "gp-l", "--scale", "huge", "--out", "plan"), "it has tiny, "),
        (("run", "gp-l", "--arms", "sft,lr"), "'lr' is not an arm of the experiment"),
    ],
    ids=lambda value: "",
)
def test_what_is_not_there_is_told_with_what_is(words: tuple[str, ...], says: str) -> None:
    status, said = invoke(*words)
    assert status == 1
    assert says in said


def test_the_trainer_itself_says_what_is_wrong_with_a_run_config(tmp_path: Path) -> None:
    """Slow for one child process."""
    file = tmp_path / "mine.yaml"
    parent = catalogue.find("gp-l").resolve()
    file.write_text(yaml.safe_dump({"extends": str(parent), "arms": {"rl": {"update": 3}}}))
    status, said = invoke("run", str(file), "--out", str(tmp_path / "out"))
    assert status == 1
    assert "arm rl: update: unknown key; did you mean 'updates'?" in said
    assert not (tmp_path / "out").exists()
