"""The tokenizer of the tiny model of sums: a token for each digit, sign and word of the task."""

import re
from pathlib import Path

from tiny_models.words import MARKS, chat_template, digit_tokenizer

from farfield_reasoning_gym.answers import request, task

QUESTION = "State the final answer to the following arithmetic problem: 12 + 34 - 5 ="
"""As the data set chain_sum asks."""
_PIECE = re.compile(r"[0-9]|[^\W0-9]+|[^\w\s]")


def pieces(text: str) -> list[str]:
    """What the tokenizer makes of a text."""
    return _PIECE.findall(text)


_SPOKEN = dict.fromkeys(pieces(f"{task(QUESTION, 'whole')} {request('whole')}"))
WORDS = tuple(dict.fromkeys((*MARKS, *"0123456789+-=", *_SPOKEN)))


def save_tokenizer(folder: Path) -> None:
    digit_tokenizer(WORDS, chat_template(), longest=256).save_pretrained(folder)
