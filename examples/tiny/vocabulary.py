"""The tokenizer of the tiny model: one token per word of the compact GeneralPoints language."""

from pathlib import Path

from tiny_models.words import MARKS, chat_template, word_tokenizer

SIGNS = tuple("+-*/()=:")
FACES = tuple("AJQK")
PROMPT_WORDS = ("target", "cards")
FEEDBACK_WORDS = ("wrong", "unused", "answer", "formula", "numbers", "value")
NUMBERS = tuple(str(number) for number in range(100))

WORDS = (*MARKS, *SIGNS, *FACES, *PROMPT_WORDS, *FEEDBACK_WORDS, *NUMBERS)


def save_tokenizer(folder: Path) -> None:
    word_tokenizer(WORDS, chat_template(), longest=256).save_pretrained(folder)
