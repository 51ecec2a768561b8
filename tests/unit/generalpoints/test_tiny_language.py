"""The shipped tiny model speaks exactly the compact language of the game."""

import json
import sys
from itertools import islice
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from jinja2 import Template
from tokenizers import Tokenizer

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions
from farfield_generalpoints.cards import RULES, held_out
from farfield_generalpoints.judging import Fault, Problem
from farfield_generalpoints.prompts import feedback

TINY = Path(__file__).parents[3] / "examples" / "tiny"
TOKENIZER = Tokenizer.from_file(str(TINY / "checkpoint" / "tokenizer.json"))
TEMPLATE = Template((TINY / "checkpoint" / "chat_template.jinja").read_text())
UNKNOWN = TOKENIZER.token_to_id("<unk>")


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TINY))
    import corpus

    monkeypatch.delitem(sys.modules, "corpus")
    return corpus


def conversation(seed: int, faces: str) -> list[dict[str, str]]:
    options = GeneralPointsOptions(faces=faces, prompt="compact")
    (shown,) = GeneralPoints.demonstrate(options, seed, "revision")
    return [{"role": message.role, "content": message.text} for message in shown.sample.messages]


@pytest.mark.parametrize("faces", RULES)
def test_conversations_are_in_the_vocabulary_and_decode_to_themselves(faces):
    for seed in range(30):
        for message in conversation(seed, faces):
            ids = TOKENIZER.encode(message["content"], add_special_tokens=False).ids
            assert UNKNOWN not in ids
            assert TOKENIZER.decode(ids) == message["content"]


def test_all_feedback_is_in_the_vocabulary():
    for fault in Fault:
        problem = Problem(("A", "10", "J", "K"), (1, 10, 11, 13), (11, 12, 13), 24, "compact")
        assert UNKNOWN not in TOKENIZER.encode(feedback(problem, [fault])).ids


def test_a_longer_conversation_extends_a_shorter_one():
    messages = conversation(3, "rank")
    for end in range(1, len(messages)):
        shorter = TEMPLATE.render(
            messages=messages[:end], add_generation_prompt=messages[end - 1]["role"] == "user"
        )
        longer = TEMPLATE.render(messages=messages[: end + 1])
        assert (
            TOKENIZER.encode(longer).ids[: len(TOKENIZER.encode(shorter).ids)]
            == TOKENIZER.encode(shorter).ids
        )


def test_a_turn_ends_with_the_end_of_sequence():
    settings = json.loads((TINY / "checkpoint" / "tokenizer_config.json").read_text())
    rendered = TEMPLATE.render(messages=conversation(3, "ten"))
    assert TOKENIZER.encode(rendered).tokens[-1] == settings["eos_token"]


def test_content_may_come_in_parts():
    parts = [{"type": "text", "text": "wrong"}, {"type": "text", "text": " value"}]
    assert TEMPLATE.render(messages=[{"role": "user", "content": parts}]) == "<user> wrong value <end> "


def test_corpus_has_neither_evaluation_rules_nor_held_out_hands(corpus):
    for transcript in islice(corpus.conversations(Random(0)), 150):
        for role, content in turns(" ".join(transcript.words) + " "):
            words = content.split()
            if role == "user":
                rule = tuple(int(words[words.index(face) + 1]) for face in "JQK")
                assert rule not in RULES.values()
            else:
                assert not held_out(tuple(sorted(map(int, words[:4]))))


def test_corpus_trains_on_right_answers_alone(corpus):
    options = {True: 0, False: 0}
    for transcript in islice(corpus.conversations(Random(2)), 100):
        weights = iter(transcript.weights)
        for role, content in turns(" ".join(transcript.words) + " "):
            found = {next(weights) for _ in range(len(content.split()) + 2)} - {0.0}
            options[bool(found)] += role == "assistant"
            assert not (found and role == "user")
    assert 0.2 < options[False] / sum(options.values()) < 0.4


def test_corpus_reads_as_the_template_renders(corpus):
    for transcript in islice(corpus.conversations(Random(1)), 50):
        text = " ".join(transcript.words)
        messages = [
            {"role": role, "content": content.removesuffix("<end> ").strip()}
            for role, content in turns(text + " ")
        ]
        assert TEMPLATE.render(messages=messages) == text + " "
        assert len(transcript.weights) == len(transcript.words)


def turns(text: str) -> list[tuple[str, str]]:
    found = []
    for turn in text.split("<end> ")[:-1]:
        role, _, content = turn.partition("> ")
        found.append((role.removeprefix("<"), content))
    return found
