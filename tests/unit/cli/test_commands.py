"""The command line without a stack: help, and what it says when there is nothing to work with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farfield_cli.__main__ import app
from farfield_cli.evaluation import EvalOptions, evaluation_config, pairs
from farfield_cli.run_commands import check_tokenizer
from farfield_kernel.errors import FailedPrecondition, InvalidArgument, NotFound

COMMANDS = ["demo", "train", "eval", "report", "runs", "play", "env", "up", "down", "status"]


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    status, said = invoke(command, "--help")
    assert status == 0
    assert "Usage: " in said


@pytest.mark.parametrize(
    "words", [("status",), ("runs", "list"), ("runs", "stop", "some-run")], ids=lambda words: " ".join(words)
)
def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    status, said = invoke(*words, "--state", str(tmp_path))
    assert status == 1
    assert "farfield up" in said


def test_down_without_a_stack_is_no_error(tmp_path: Path) -> None:
    status, said = invoke("down", "--state", str(tmp_path))
    assert status == 0
    assert "no stack runs" in said


def test_up_without_a_checkpoint_says_how_to_make_one(tmp_path: Path) -> None:
    status, said = invoke("up", "--state", str(tmp_path), "--model", str(tmp_path / "none"))
    assert status == 1
    assert "make base-model" in said


def test_train_without_a_file_or_with_a_torn_one(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state"))
    assert "examples/demo" in invoke("train", str(tmp_path / "none.yaml"), *state)[1]
    torn = tmp_path / "torn.yaml"
    torn.write_text("a: [")
    assert "is not YAML" in invoke("train", str(torn), *state)[1]


def test_lanes_have_names_that_differ(tmp_path: Path) -> None:
    status, said = invoke("up", "--lanes", "a,a", "--state", str(tmp_path))
    assert status == 2
    assert "different names" in said


def test_options_are_read_as_yaml() -> None:
    assert pairs(("a=5", "b=true", "c=ten", "d={J: 7}")) == {"a": 5, "b": True, "c": "ten", "d": {"J": 7}}
    with pytest.raises(InvalidArgument, match="KEY=VALUE"):
        pairs(("a5",))


def test_a_stack_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    for name, words in (("one", "{}"), ("same", "{}"), ("other", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(words)
    check_tokenizer(tmp_path / "one", tmp_path / "same")
    with pytest.raises(FailedPrecondition, match="--model"):
        check_tokenizer(tmp_path / "one", tmp_path / "other")


def options(model: Path, seed: int = 0) -> EvalOptions:
    return EvalOptions(model, "generalpoints", ("id", "ood"), ("split=heldout",), "", (), 10, 64, 1.0, seed)


def test_an_evaluation_is_a_run_without_updates(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    run_id, config = evaluation_config(options(tmp_path))
    assert config["updates"] == 0
    assert set(config["evaluation"]["suites"]) == {"id", "ood"}
    assert config["evaluation"]["suites"]["ood"]["environment"]["options"] == {"split": "heldout"}
    assert config["reward"] == {"leaf": {"verifier": "generalpoints", "options": {}}}
    assert evaluation_config(options(tmp_path))[0] == run_id
    assert evaluation_config(options(tmp_path, seed=1))[0] != run_id


def test_of_a_run_the_newest_weights_are_evaluated(tmp_path: Path) -> None:
    for version in ("000000", "000010"):
        (tmp_path / "weights" / version).mkdir(parents=True)
        (tmp_path / "weights" / version / "config.json").touch()
    assert evaluation_config(options(tmp_path))[1]["base"].endswith("weights/000010")
    with pytest.raises(NotFound, match="neither a checkpoint"):
        evaluation_config(options(tmp_path / "weights"))
