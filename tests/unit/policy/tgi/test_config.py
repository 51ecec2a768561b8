"""What is wrong is named, and what to write instead."""

from typing import Any

import pytest

from farfield_kernel.config import parse
from farfield_kernel.errors import InvalidArgument
from farfield_policy.config import PolicyConfig

GOOD = {"kind": "tgi", "url": "http://127.0.0.1:8080", "tokenizer": "folder"}
PROCESS = {"kind": "process", "command": ["launcher", "--model-id", "{model}"]}


def engine(**more: Any) -> Any:
    return parse(PolicyConfig, {"engine": {**GOOD, **more}}, "test").engine


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "localhost:8080"}, r"url is 'localhost:8080'; write .*http://HOST:PORT"),
        ({"tokenizer": ""}, "neither tokenizer nor model_path is set; name the folder"),
        ({"weights": PROCESS}, "model_path is empty, and weights of kind 'process'"),
        ({"weights": {**PROCESS, "command": ["launcher"]}, "model_path": "m"}, r"no word .* holds \{model\}"),
        ({"weights": {"kind": "proces"}}, "proces"),
        ({"tokeniser": "x"}, "did you mean 'tokenizer'"),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        engine(**more)


def test_the_tokenizer_is_the_models_unless_it_is_named() -> None:
    assert engine(tokenizer="", model_path="m").tokenizer_path == "m"
    assert engine(model_path="m").tokenizer_path == "folder"


def test_the_token_is_not_printed() -> None:
    assert "secret" not in repr(engine(token="secret"))
