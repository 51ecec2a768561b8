"""What a configuration of the engine `vllm` must say, and how it is told what is wrong."""

from typing import Any

import pytest

from farfield_kernel.config import parse
from farfield_kernel.errors import InvalidArgument
from farfield_policy.config import PolicyConfig


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"url": "10.0.0.1:8000", "tokenizer": "m"}, "url is '10.0.0.1:8000'; .* http://HOST:PORT"),
        ({}, "tokenizer is empty; name the folder of the model"),
        ({"tokenizer": "m", "max_concurency": 3}, "did you mean 'max_concurrency'"),
        ({"tokenizer": "m", "retries": -1}, "retries"),
    ],
)
def test_wrong_values_are_named_with_their_cure(engine: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        parse(PolicyConfig, {"engine": {"kind": "vllm", **engine}}, "test")


def test_a_tokenizer_is_enough() -> None:
    config = parse(PolicyConfig, {"engine": {"kind": "vllm", "tokenizer": "m"}}, "test")
    assert config.engine.url == "http://127.0.0.1:8000"
    assert "secret" not in repr(config.engine.model_copy(update={"token": "secret"}))
