"""The tiny model of sums reads and writes blind episodes of chain_sum."""

from pathlib import Path

import pytest
from jinja2 import Template
from tokenizers import Tokenizer

from farfield_reasoning_gym.answers import request

CHECKPOINT = Path(__file__).parents[3] / "examples" / "tiny-sums" / "checkpoint"
TOKENIZER = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
TEMPLATE = Template((CHECKPOINT / "chat_template.jinja").read_text())
UNKNOWN = TOKENIZER.token_to_id("<unk>")
TERMS = {"min_terms": 2, "max_terms": 2, "min_digits": 2, "max_digits": 2}


@pytest.mark.parametrize("seed", range(5))
def test_episodes_are_in_the_vocabulary_and_answers_decode_to_themselves(make, seed):
    game = make(config=TERMS, answer="whole", revision="blind", max_turns=2)
    (shown,) = game.demonstrate(game.options, seed, "revision")
    for message in shown.sample.messages:
        ids = TOKENIZER.encode(message.text, add_special_tokens=False).ids
        assert UNKNOWN not in ids
        if message.role == "assistant":
            assert TOKENIZER.decode(ids) == message.text


def test_a_longer_conversation_extends_a_shorter_one():
    messages = [{"role": "user", "content": "1 + 2 ="}, {"role": "assistant", "content": "-3"}]
    shorter = TOKENIZER.encode(TEMPLATE.render(messages=messages)).ids
    messages.append({"role": "user", "content": request("whole")})
    assert TOKENIZER.encode(TEMPLATE.render(messages=messages)).ids[: len(shorter)] == shorter
