import base64
from typing import Any

import pytest

from farfield_openenv.adapter.link import EnvironmentFault
from farfield_openenv.adapter.options import OpenEnvOptions
from farfield_openenv.adapter.rendering import message_of, metrics_of
from farfield_sdk import Image, Text

PNG = b"\x89PNG\r\n\x1a\nand so on"
ENCODED = base64.b64encode(PNG).decode()


def options(**given: Any) -> OpenEnvOptions:
    return OpenEnvOptions(url="http://127.0.0.1:1", **given)


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        ({"text": "hello", "metadata": {"a": 1}}, "hello"),
        ({"board": [[0, 1]], "turn": 0, "note": ""}, "board: [[0, 1]]\nturn: 0"),
        ({"done": False, "word": "grün"}, "done: false\nword: grün"),
        ({}, "(an empty observation)"),
    ],
)
def test_without_a_template_fields_are_listed(observation: dict[str, Any], text: str) -> None:
    assert message_of(observation, options()).text == text


def test_a_template_has_values_in_its_places() -> None:
    template = "Word: {word}, {state.left.1} left, {state.left} {not a place} {{word}}"
    shown = message_of({"word": "a{b}c", "state": {"left": [5, 4]}}, options(template=template))
    assert shown.text == "Word: a{b}c, 4 left, [5, 4] {not a place} {a{b}c}"


def test_a_template_reaches_values_alone() -> None:
    with pytest.raises(EnvironmentFault, match=r"no 'word\.__class__'; its fields: word"):
        message_of({"word": "x"}, options(template="{word.__class__}"))


def test_instructions_come_before() -> None:
    assert message_of({"text": "go"}, options(), before="Play.").text == "Play.\n\ngo"


def test_images_come_first() -> None:
    observation = {"text": "look", "shot": ENCODED, "more": [f"data:image/webp;base64,{ENCODED}"], "none": ""}
    shown = message_of(observation, options(images=("shot", "more", "none")))
    assert shown.parts == (Image(PNG, "image/png"), Image(PNG, "image/webp"), Text("look"))
    assert message_of({"shot": ENCODED}, options(images=("shot",))).parts == (Image(PNG),)


@pytest.mark.parametrize(
    ("value", "says"), [("?", "no image in base64"), (7, "no image in base64"), ("AAAA", "neither PNG")]
)
def test_what_is_no_image_is_named(value: Any, says: str) -> None:
    with pytest.raises(EnvironmentFault, match=f"'shot' is {says}"):
        message_of({"shot": value}, options(images=("shot",)))


def test_metrics_are_finite_numbers() -> None:
    metadata = {"hits": 3, "won": True, "name": "x", "lost": float("nan"), "list": [1]}
    assert metrics_of(metadata) == {"hits": 3.0, "won": 1.0}
