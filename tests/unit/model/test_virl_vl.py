"""The shipped V-IRL base with eyes reads what it is shown as it was shown it in pre-training."""

import importlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from farfield_model.chat import Chat, Message
from farfield_model.images import ImageFile
from farfield_model.loading import load_module
from farfield_model.tokenizing import end_ids, load_processor
from farfield_model.vision import Vision
from farfield_sdk import Message as Shown
from farfield_virl import Virl, VirlOptions
from farfield_virl.looks import HOME_CITY, LOOKS, OTHER_CITIES

EXAMPLES = Path(__file__).parents[3] / "examples"
CHECKPOINT = EXAMPLES / "virl-vl" / "checkpoint"
OPTIONS = VirlOptions(modality="views", prompt="compact", view_size=32, decoys=False)


@pytest.fixture(scope="module")
def processor() -> Any:
    return load_processor(CHECKPOINT)


@pytest.fixture(scope="module")
def chat(processor: Any) -> Chat:
    module = load_module(CHECKPOINT).eval()
    return Chat(processor.tokenizer, end_ids(module, processor.tokenizer), eyes=Vision(processor, module))


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, with its towns dressed while the test runs."""
    for folder in (EXAMPLES, EXAMPLES / "virl-vl"):
        monkeypatch.syspath_prepend(str(folder))
    views, cities = importlib.import_module("views"), dict(LOOKS)
    views.dress()
    yield views
    LOOKS.clear()
    LOOKS.update(cities)


def test_a_walk_is_read_word_for_word_as_in_pretraining(
    chat: Chat, processor: Any, views: ModuleType
) -> None:
    (message,) = Virl(OPTIONS).reset(0).observation.messages
    ids = chat.build([], (as_read(message),))
    words = f"<user> {views.EYE.place} {message.text} <end> <assistant>".split()
    assert processor.tokenizer.convert_ids_to_tokens(ids) == words
    assert processor.tokenizer.unk_token not in words


def as_read(message: Shown) -> Message:
    picture, text = message.parts
    return Message("user", (ImageFile.of(picture.data), text.text))


def test_walks_in_views_have_the_picture_that_the_environment_paints(views: ModuleType) -> None:
    (message,) = Virl(OPTIONS).reset(0).observation.messages
    for transcript in views.walks_in_views(Random(0), 12):
        assert transcript.words[1:].count("<image>") == views.EYE.tokens
        (picture,) = transcript.images
        assert Image.open(BytesIO(picture)).size == Image.open(BytesIO(message.parts[0].data)).size


def test_sides_of_signs_are_told_or_none(views: ModuleType) -> None:
    told = [
        " ".join(one.words).partition("<assistant> see ")[2] for one in views.looks_for_signs(Random(0), 40)
    ]
    assert {"none <end>", "right <end>", "left <end>"} <= set(told)


def test_no_town_is_a_city_of_the_environment(views: ModuleType) -> None:
    assert set(LOOKS) - set(views.IN_VIEWS.towns) == {HOME_CITY, *OTHER_CITIES}
