import pytest

from farfield_kernel.config import load, parse
from farfield_kernel.errors import InvalidArgument
from farfield_policy.config import PolicyConfig, ScriptedConfig, TorchConfig


def test_the_engine_is_torch_unless_said_otherwise() -> None:
    config = load(
        PolicyConfig, "farfield-policy", ["--engine.model", "some/folder", "--engine.max_rows", "8"]
    )
    assert isinstance(config.engine, TorchConfig)
    assert (config.engine.model, config.engine.max_rows) == ("some/folder", 8)


def test_a_script_is_configured() -> None:
    config = parse(PolicyConfig, {"engine": {"kind": "scripted", "responses": ["a"]}}, "test")
    assert isinstance(config.engine, ScriptedConfig)


def test_a_typo_is_named_with_what_was_meant() -> None:
    with pytest.raises(InvalidArgument, match="did you mean 'max_rows'"):
        parse(PolicyConfig, {"engine": {"model": "m", "max_row": 8}}, "test")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="scripted"):
        parse(PolicyConfig, {"engine": {"kind": "llama"}}, "test")


def test_a_second_door_is_the_torch_engines() -> None:
    door = {"tgi_server": {"port": 8080}}
    assert parse(PolicyConfig, {"engine": {"model": "m"}, **door}, "test").tgi_server is not None
    with pytest.raises(InvalidArgument, match="tgi_server needs engine torch, not scripted"):
        parse(PolicyConfig, {"engine": {"kind": "scripted", "responses": ["a"]}, **door}, "test")
