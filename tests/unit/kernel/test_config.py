"""Configuration from four places, and errors that say what to write."""

import json
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from farfield_kernel.config import Config, load, parse
from farfield_kernel.errors import InvalidArgument


class Inner(Config):
    port: int = Field(default=1, ge=0)
    """Where."""
    names: tuple[str, ...] = ()


class Other(Config):
    kind: str = "other"
    height: int = 0


class Outer(Config):
    inner: Inner = Inner()
    choice: Inner | Other | None = None
    rate: float = 0.5
    title: str = ""
    table: dict[str, Inner] = Field(default={})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("inner: {port: 2, names: [file]}\nrate: 2\ntitle: file\n")
    return path


def test_each_place_overrides_the_one_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARFIELD_THING__INNER__PORT", "3")
    monkeypatch.setenv("FARFIELD_THING__TITLE", "environment")
    argv = ["--config", str(file), "--title", "line", "--inner.names=[a, b]"]
    config = load(Outer, "farfield-thing", argv)
    assert config == Outer(inner=Inner(port=3, names=("a", "b")), rate=2, title="line")


def test_defaults_alone_are_enough() -> None:
    assert load(Outer, "farfield-thing", []) == Outer()


def test_a_later_file_overrides_key_by_key(file: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text("inner: {names: [later, too]}\ntitle: later\n")
    config = load(Outer, "farfield-thing", ["--config", str(file), "--config", str(later)])
    assert config == Outer(inner=Inner(port=2, names=("later", "too")), rate=2, title="later")


def test_json_is_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"table": {"x": {"port": 7}}}))
    assert load(Outer, "farfield-thing", ["--config", str(path)]).table["x"].port == 7


def test_dashes_and_underscores_are_the_same() -> None:
    class Dashed(Config):
        two_words: int = 0

    assert load(Dashed, "p", ["--two-words", "5"]).two_words == 5


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--inner.prt", "1"], "inner.prt: unknown key; did you mean 'port'?"),
        (["--choice.heigt", "1"], "did you mean 'height'?"),
        (["--zzz", "1"], "known keys: choice, inner, rate, table, title"),
        (["--inner.port", "many"], "inner.port: Input should be a valid integer"),
        (["--rate"], "--rate needs a value"),
        (["stray"], "unexpected argument 'stray'"),
        (["--inner", "1", "--inner.port", "2"], "'inner' is a value, not a section"),
        (["--config", "/no/such/file"], "No such file"),
        (["--title", "[1, "], "while parsing"),
    ],
)
def test_what_is_wrong_is_said_and_ends_the_process(argv, said, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(Outer, "farfield-thing", argv)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, capsys) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("- a\n- b\n")
    with pytest.raises(SystemExit):
        load(Outer, "farfield-thing", ["--config", str(path)])
    assert "expected a mapping of keys, found list" in capsys.readouterr().err


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, capsys) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: [")
    with pytest.raises(SystemExit):
        load(Outer, "farfield-thing", ["--config", str(path)])
    assert "config.yaml" in capsys.readouterr().err


def test_every_wrong_key_is_named() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(Outer, {"inner": {"port": -1}, "rat": 1, "table": {"x": {"prt": 1}}}, "run config")
    message = str(caught.value)
    assert message.startswith("run config is not valid:")
    assert "inner.port: Input should be greater than or equal to 0" in message
    assert "rat: unknown key; did you mean 'rate'?" in message
    assert "table.x.prt: unknown key; did you mean 'port'?" in message


def test_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Outer().title = "changed"


def test_a_docstring_under_a_field_describes_it() -> None:
    assert Inner.model_fields["port"].description == "Where."
