"""The shipped V-IRL base speaks exactly the compact form of the environment."""

import importlib
import json
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from jinja2 import Template
from tokenizers import Tokenizer

from farfield_virl import Virl, VirlOptions
from farfield_virl.actions import DIRECTIONS
from farfield_virl.environment import VARIANTS
from farfield_virl.judging import Fault
from farfield_virl.looks import LOOKS
from farfield_virl.prompts import feedback
from farfield_virl.words import PLACES

BASE = Path(__file__).parents[3] / "examples" / "virl"
TOKENIZER = Tokenizer.from_file(str(BASE / "checkpoint" / "tokenizer.json"))
TEMPLATE = Template((BASE / "checkpoint" / "chat_template.jinja").read_text())
SETTINGS = json.loads((BASE / "checkpoint" / "tokenizer_config.json").read_text())
UNKNOWN = TOKENIZER.token_to_id("<unk>")
TEXT_VARIANTS = [name for name, one in VARIANTS.items() if one.options.get("modality") != "views"]


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BASE.parent))
    return importlib.import_module("virl.corpus")


def conversations(variant: str, seed: int) -> list[list[dict[str, str]]]:
    options = VirlOptions(**VARIANTS[variant].options, prompt="compact")
    return [
        [{"role": message.role, "content": message.text} for message in shown.sample.messages]
        for shown in Virl.demonstrate(options, seed, "revision")
    ]


@pytest.mark.parametrize("variant", TEXT_VARIANTS)
def test_conversations_are_in_the_vocabulary_and_decode_to_themselves(variant):
    for seed in range(20):
        for conversation in conversations(variant, seed):
            for message in conversation:
                ids = TOKENIZER.encode(message["content"], add_special_tokens=False).ids
                assert UNKNOWN not in ids
                assert TOKENIZER.decode(ids) == message["content"]
            assert (
                TOKENIZER.encode(TEMPLATE.render(messages=conversation)).tokens[-1] == SETTINGS["eos_token"]
            )


def test_every_place_and_all_feedback_are_in_the_vocabulary():
    said = [name.lower() for name in PLACES]
    said += [feedback("compact", fault, actions) for fault in Fault for actions in DIRECTIONS]
    assert all(UNKNOWN not in TOKENIZER.encode(text).ids for text in said)


def test_corpus_reads_as_the_template_renders(corpus):
    for transcript in drawn(corpus):
        text = " ".join(transcript.words)
        messages = [
            {"role": role, "content": content.removesuffix("<end> ").strip()}
            for role, content in turns(text + " ")
        ]
        assert TEMPLATE.render(messages=messages) == text + " "
        assert UNKNOWN not in TOKENIZER.encode(text).ids
        assert len(transcript.weights) == len(transcript.words)


def test_corpus_walks_under_both_rules_and_never_in_the_cities_of_the_environment(corpus):
    spaces = {transcript.words[2] for transcript in drawn(corpus)}
    assert spaces == {DIRECTIONS["absolute"][0], DIRECTIONS["relative"][0]}
    assert not set(corpus.TOWNS) & set(LOOKS)


def test_corpus_weighs_the_account_failed_attempts_and_right_answers(corpus):
    for transcript in drawn(corpus):
        words, weights = transcript.words, transcript.weights
        past = words.index("past")
        assert set(weights[:past]) == {0.0}
        assert weights[past] == corpus.PAST_WEIGHT
        answers = [place for place, word in enumerate(words) if word == "<assistant>"]
        found = [weights[place + 1] for place in answers]
        assert found in ([1.0], [corpus.FAILURE_WEIGHT, 1.0])


def test_corpus_repeats(corpus):
    (one,) = corpus.repetitions(Random(0), 1)
    (_, said), (_, again) = turns(" ".join(one.words) + " ")
    assert said.strip() == again.strip()


def drawn(corpus: ModuleType) -> list:
    return corpus.walks(Random(0), 200)


def turns(text: str) -> list[tuple[str, str]]:
    found = []
    for turn in text.split("<end> ")[:-1]:
        role, _, content = turn.partition("> ")
        found.append((role.removeprefix("<"), content))
    return found
