"""The tiny model that sees cards speaks the compact language of the game with pictures."""

import importlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from jinja2 import Template
from PIL import Image as Picture
from tokenizers import Tokenizer

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions
from farfield_generalpoints.cards import RULES
from farfield_generalpoints.judging import Fault, Problem
from farfield_generalpoints.prompts import feedback
from farfield_generalpoints.variants import VARIANTS
from farfield_sdk import Image, Message

EXAMPLES = Path(__file__).parents[3] / "examples"
CHECKPOINT = EXAMPLES / "tiny-vl" / "checkpoint"
TOKENIZER = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
TEMPLATE = Template((CHECKPOINT / "chat_template.jinja").read_text())
UNKNOWN = TOKENIZER.token_to_id("<unk>")
PICTURES = [name for name, variant in VARIANTS.items() if variant.options.get("modality") == "image"]


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(EXAMPLES / "tiny-vl"))
    yield importlib.import_module("corpus")
    importlib.sys.modules.pop("corpus")


def conversation(seed: int, variant: str) -> list[dict[str, Any]]:
    shown = {"prompt": "compact", "image_height": 64}
    options = GeneralPointsOptions(**{**VARIANTS[variant].options, **shown})
    (played,) = GeneralPoints.demonstrate(options, seed, "revision")
    return [{"role": message.role, "content": parts(message)} for message in played.sample.messages]


def parts(message: Message) -> list[dict[str, str]]:
    return [
        {"type": "image"} if isinstance(part, Image) else {"type": "text", "text": part.text}
        for part in message.parts
    ]


@pytest.mark.parametrize("variant", PICTURES)
def test_conversations_are_in_the_vocabulary_and_decode_to_themselves(variant: str) -> None:
    for seed in range(20):
        for message in conversation(seed, variant):
            text = message["content"][-1]["text"]
            ids = TOKENIZER.encode(text, add_special_tokens=False).ids
            assert UNKNOWN not in ids
            assert TOKENIZER.decode(ids) == text


def test_all_feedback_is_in_the_vocabulary() -> None:
    problem = Problem(("A", "10", "J", "K"), (1, 10, 11, 13), (11, 12, 13), 24, "compact", image=True)
    for fault in Fault:
        assert UNKNOWN not in TOKENIZER.encode(feedback(problem, [fault])).ids


def test_image_marks_are_tokens_wherever_they_stand() -> None:
    text = "<fake_token_around_image><global-img><image><image><fake_token_around_image>target 24"
    assert TOKENIZER.encode(text).tokens == [
        "<fake_token_around_image>", "<global-img>", "<image>", "<image>", "<fake_token_around_image>",
        "target", "24",
    ]  # fmt: skip


def test_a_longer_conversation_extends_a_shorter_one() -> None:
    messages = conversation(3, "vl-id")
    for end in range(1, len(messages)):
        asked = messages[end - 1]["role"] == "user"
        shorter = TEMPLATE.render(messages=messages[:end], add_generation_prompt=asked)
        assert TEMPLATE.render(messages=messages[: end + 1]).startswith(shorter)


def test_content_may_be_a_string_or_come_in_parts() -> None:
    seen = [{"type": "image"}, {"type": "text", "text": "cards shown"}]
    rendered = TEMPLATE.render(messages=[{"role": "user", "content": seen}])
    assert rendered == "<user> <image> cards shown <end> "
    assert TEMPLATE.render(messages=[{"role": "user", "content": "no"}]) == "<user> no <end> "


def test_corpus_never_has_the_rules_of_evaluation(corpus: ModuleType) -> None:
    rng = Random(0)
    for _ in range(200):
        assert corpus.in_pictures(rng).problem.faces not in RULES.values()


def test_corpus_shows_a_picture_for_every_place(corpus: ModuleType) -> None:
    transcripts = importlib.import_module("tiny.corpus").transcripts
    rng = Random(1)
    drawn = [*transcripts(rng, 10, corpus.in_pictures), *transcripts(rng, 10, corpus.in_pictures)]
    for transcript in [*drawn, corpus.recognition(rng)]:
        words = " ".join(transcript.words)
        assert words.count(corpus.EYE.place) == len(transcript.images) > 0
        assert UNKNOWN not in TOKENIZER.encode(words).ids
        assert len(transcript.weights) == len(transcript.words)


def test_corpus_has_no_red(corpus: ModuleType) -> None:
    """Wherever a card is printed on, red is not what stands out."""
    rng = Random(2)
    for _ in range(100):
        (image,) = corpus.recognition(rng).images
        picture = Picture.open(BytesIO(image))
        assert picture.size == (160, 64)
        for _, (red, green, blue) in picture.getcolors(picture.width * picture.height):
            assert red - max(green, blue) <= corpus.DARKEST
