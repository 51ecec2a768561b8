"""The trainer imitates demonstrations on the very ids that the policy service builds and samples."""

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from farfield_model.chat import Chat, Message
from farfield_trainer.learning.sft import SupervisedSample, tokenize

TALK = [
    ("system", "Be brief."),
    ("user", "Cards:  1 2\n"),
    ("assistant", " 1+2 "),
    ("user", "No.\nAgain"),
    ("assistant", "2*1"),
    ("user", "So?"),
    ("assistant", "ok"),
]
WORDS = (
    "{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
LINES = (
    "{% for message in messages %}<{{ message.role }}>\n{{ message.content }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)
TRAILING = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n\n<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def byte_tokenizer(template: str) -> Any:
    """One token per byte, and one for each mark of the template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", chat_template=template)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<system>", "<user>", "<assistant>"]})
    return tokenizer


@pytest.mark.parametrize("template", [WORDS, LINES, TRAILING])
def test_demonstrations_have_the_ids_of_a_played_conversation(template: str) -> None:
    tokenizer = byte_tokenizer(template)
    end = tokenizer.eos_token_id
    chat = Chat(tokenizer, [end])
    played: list[int] = []
    spans, new = [], []
    for role, text in TALK:
        if role != "assistant":
            new.append(Message(role, text))
            continue
        prompt = chat.build(played, tuple(new))
        played = [*prompt, *tokenizer.encode(text, add_special_tokens=False), end]
        spans.append((len(prompt), len(played)))
        new = []
    batch = tokenize([SupervisedSample(TALK)], Chat(tokenizer, [end]))
    assert batch.sequences == [played]
    assert [(target.start, target.end) for target in batch.targets] == spans
