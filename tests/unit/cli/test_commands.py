"""The command line without a stack: help, and what it says when there is nothing to work with."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farfield_cli.__main__ import app
from farfield_cli.checkpoints import checkpoint, label
from farfield_cli.given import pairs
from farfield_cli.runs.train_command import check_tokenizer
from farfield_kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from farfield_kernel.weight_stores.remote import RemoteStore
from farfield_kernel.weights import seal

COMMANDS = [
    "demo",
    "train",
    "eval",
    "experiment",
    "report",
    "run",
    "weights",
    "play",
    "env",
    "plugin",
    "up",
    "down",
    "status",
]


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    status, said = invoke(command, "--help")
    assert status == 0
    assert "Usage: " in said


@pytest.mark.parametrize(
    "words",
    [("status",), ("run", "list"), ("run", "stop", "some-run"), ("weights", "list")],
    ids=lambda words: " ".join(words),
)
def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    status, said = invoke(*words, "--state", str(tmp_path))
    assert status == 1
    assert "farfield up" in said


def test_a_reader_that_has_enough_ends_a_command_without_a_word() -> None:
    words = (sys.executable, "-m", "farfield_cli", "experiment", "show", "gp-l")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait() == 1


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not YAML"),
        ("server: {port: 1}", "no section engine"),
        ("engine: {kind: tgi, url: http://host}", "name the model's folder"),
    ],
)
def test_a_policy_configuration_that_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    status, said = invoke("up", "--policy-config", str(file), "--state", str(tmp_path / "state"))
    assert status == 2
    assert words in said


def test_one_external_engine_serves_one_lane(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("engine: {kind: tgi, url: http://host, model_path: m}")
    state = ("--state", str(tmp_path / "state"))
    status, said = invoke("up", "--policy-config", str(file), "--lanes", "a,b", *state)
    assert status == 1
    assert "two lanes would change the weights of one server" in " ".join(said.split())


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


def checkpoint_at(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).touch()
    return folder


def test_a_checkpoint_is_a_folder_or_the_newest_weights_of_a_run(tmp_path: Path) -> None:
    plain = checkpoint_at(tmp_path / "plain")
    for version in ("000000", "000010"):
        checkpoint_at(tmp_path / "run" / "weights" / version)
    assert checkpoint(plain) == plain.resolve()
    newest = checkpoint(tmp_path / "run")
    assert newest.name == "000010"
    assert (label(plain), label(newest)) == ("plain", "run-10")


def test_a_checkpoint_comes_from_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bucket = (tmp_path / "bucket").as_uri()
    for version in (0, 10):
        sealed = seal(checkpoint_at(tmp_path / f"sealed-{version}"), "run", version)
        RemoteStore(bucket, "run").put(sealed)
    newest = checkpoint(f"{bucket}/run")
    assert newest.name.startswith("000010-")
    assert checkpoint(f"{bucket}/run/000000").name.startswith("000000-")
    assert newest.is_relative_to(tmp_path / "runs" / "downloads")
    with pytest.raises(NotFound, match="holds no versions"):
        checkpoint(f"{bucket}/other")


def test_a_folder_that_is_no_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="neither a checkpoint"):
        checkpoint(tmp_path)
    (tmp_path / "config.json").touch()
    with pytest.raises(NotFound, match="safetensors"):
        checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--suite", "gp-x", "--policy", "127.0.0.1:9"), "there are gp-l, gp-vl"),
        (("--policy", "127.0.0.1:9"), "--suite NAME"),
        (("--suite", "gp-l", "--env", "virl", "--policy", "127.0.0.1:9"), "--suite NAME"),
        (("--suite", "gp-l"), "--model FOLDER"),
        (("--suite", "gp-l", "--variants", "odd", "--policy", "127.0.0.1:9"), "has id, ood"),
        (("--suite", "gp-l", "--model", "nowhere"), "neither a checkpoint"),
        (("--suite", "gp-l", "--set", "split", "--policy", "127.0.0.1:9"), "KEY=VALUE"),
        (("--suite", "gp-l", "--prompt", "long", "--policy", "127.0.0.1:9"), "'compact' or 'paper'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_evaluation_that_cannot_be_says_why_before_it_starts(words: tuple[str, ...], said: str) -> None:
    status, output = invoke("eval", *words)
    assert status == 1
    assert said in output
    assert "starting" not in output


def test_a_suite_that_is_none_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    invoke("eval", "--suite", "gp-x", "--policy", "127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_the_suites_are_listed() -> None:
    status, said = invoke("eval", "--list")
    assert status == 0
    assert "OOD by look" in said
    assert "virl-vl" in said
