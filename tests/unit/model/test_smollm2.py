"""The converted SmolLM2, where it was made: `make smollm2-model`."""

from pathlib import Path

import pytest
import torch

from farfield_model.chat import Chat, Message
from farfield_model.tokenizing import end_ids_in, load_tokenizer

CHECKPOINT = Path(__file__).parents[3] / "examples" / "smollm2" / "checkpoint"

pytestmark = pytest.mark.skipif(
    not (CHECKPOINT / "config.json").exists(), reason="its weights are not here: make smollm2-model"
)


def test_its_tokenizer_takes_digits_one_by_one_and_ends_turns() -> None:
    tokenizer = load_tokenizer(CHECKPOINT)
    assert tokenizer.tokenize("24=8*3") == ["2", "4", "=", "8", "*", "3"]
    assert tokenizer.decode(tokenizer.encode(" a  b\n\n10é")) == " a  b\n\n10é"
    ends = end_ids_in(CHECKPOINT, tokenizer)
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in ends
    Chat(tokenizer, ends).build((), (Message("user", "hi"),))


def test_it_is_served_by_the_leaner_pass() -> None:
    from farfield_policy.embedded.model import load

    torch.set_num_threads(1)
    model = load(str(CHECKPOINT), 512)
    assert model.fused
    assert model.parameters == 134_515_008
