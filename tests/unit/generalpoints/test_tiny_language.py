"""The shipped tiny model speaks exactly the compact language of the game."""

import importlib
import json
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from jinja2 import Template
from tokenizers import Tokenizer

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions
from farfield_generalpoints.cards import RULES
from farfield_generalpoints.judging import Fault, Problem, judge
from farfield_generalpoints.prompts import feedback

TINY = Path(__file__).parents[3] / "examples" / "tiny"
TOKENIZER = Tokenizer.from_file(str(TINY / "checkpoint" / "tokenizer.json"))
TEMPLATE = Template((TINY / "checkpoint" / "chat_template.jinja").read_text())
UNKNOWN = TOKENIZER.token_to_id("<unk>")


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TINY.parent))
    return importlib.import_module("tiny.corpus")


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


@pytest.mark.parametrize("revision", ["verifier", "blind"])
def test_all_feedback_is_in_the_vocabulary(revision):
    problem = Problem(("A", "10", "J", "K"), (1, 10, 11, 13), (11, 12, 13), 24, "compact", revision=revision)
    for fault in Fault:
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


def test_corpus_never_has_the_rules_of_evaluation(corpus):
    for transcript in drawn(corpus, 0):
        for role, content in turns(" ".join(transcript.words) + " "):
            if role == "user":
                assert problem_of(content).faces not in RULES.values()


def test_corpus_weighs_attempts_by_whether_they_are_right(corpus):
    attempts = []
    for transcript in drawn(corpus, 2):
        weights = iter(transcript.weights)
        for role, content in turns(" ".join(transcript.words) + " "):
            found = {next(weights) for _ in range(len(content.split()) + 2)}
            if role == "user":
                problem = problem_of(content)
                assert found == {0.0}
            else:
                right = not judge(problem, content.strip())
                assert found == {0.0, 1.0 if right else corpus.FAILURE_WEIGHT}
                attempts.append(right)
    assert 0.6 < sum(attempts) / len(attempts) < 0.9


def test_corpus_reads_as_the_template_renders(corpus):
    for transcript in drawn(corpus, 1):
        text = " ".join(transcript.words)
        messages = [
            {"role": role, "content": content.removesuffix("<end> ").strip()}
            for role, content in turns(text + " ")
        ]
        assert TEMPLATE.render(messages=messages) == text + " "
        assert len(transcript.weights) == len(transcript.words)


def drawn(corpus: ModuleType, seed: int) -> list:
    """Transcripts of every length, of about 200 attempts."""
    rng = Random(seed)
    found = [transcript for _ in range(40) for transcript in corpus.transcripts(rng, 5)]
    assert {transcript.words.count("<assistant>") for transcript in found} == set(corpus.TURNS)
    return found


def problem_of(prompt: str) -> Problem:
    words = prompt.split()
    jack, queen, king = (int(words[words.index(face) + 1]) for face in "JQK")
    cards = tuple(words[-4:])
    values = {"A": 1, "J": jack, "Q": queen, "K": king}
    target = int(words[words.index("target") + 1])
    counts = tuple(values.get(card) or int(card) for card in cards)
    return Problem(cards, counts, (jack, queen, king), target, "compact")


def turns(text: str) -> list[tuple[str, str]]:
    found = []
    for turn in text.split("<end> ")[:-1]:
        role, _, content = turn.partition("> ")
        found.append((role.removeprefix("<"), content))
    return found
