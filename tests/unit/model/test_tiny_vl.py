"""The shipped tiny model that sees cards loads as the services load it, and reads what it is shown."""

from pathlib import Path
from typing import Any

import pytest
import torch

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions
from farfield_model.chat import Chat, Message
from farfield_model.images import ImageFile
from farfield_model.loading import load_module
from farfield_model.tokenizing import end_ids, load_processor
from farfield_model.vision import Vision

CHECKPOINT = Path(__file__).parents[3] / "examples" / "tiny-vl" / "checkpoint"
HANDS = 48
FLOOR = 0.5


@pytest.fixture(scope="module")
def module() -> Any:
    return load_module(CHECKPOINT).eval()


@pytest.fixture(scope="module")
def vision(module: Any) -> Vision:
    return Vision(load_processor(CHECKPOINT), module)


def opening(seed: int) -> tuple[Message, list[str]]:
    """What the user shows and asks, and the cards."""
    options = GeneralPointsOptions(modality="image", image_height=64, prompt="compact")
    start = GeneralPoints(options).reset(seed)
    (message,) = start.observation.messages
    picture, task = message.parts
    return Message("user", (ImageFile.of(picture.data), task.text)), list(start.facts["cards"])


def test_a_picture_costs_as_many_tokens_as_the_model_has_features_for_it(module: Any, vision: Vision) -> None:
    message, _ = opening(0)
    ids = Chat(vision.processor.tokenizer, [2], eyes=vision).build([], (message,))
    picture = vision.prepare(message.images[0])
    (features,) = vision.features(module, [picture])
    assert ids.count(vision.image_token) == picture.tokens == len(features) == 16
    assert vision.processor.tokenizer.unk_token_id not in ids


def test_a_turn_ends_with_the_end_of_sequence(module: Any, vision: Vision) -> None:
    tokenizer = vision.processor.tokenizer
    assert end_ids(module, tokenizer) == (tokenizer.eos_token_id,)


@torch.no_grad()
def test_it_reads_most_hands(module: Any, vision: Vision) -> None:
    tokenizer = vision.processor.tokenizer
    chat = Chat(tokenizer, end_ids(module, tokenizer), eyes=vision)
    shown = [opening(seed) for seed in range(HANDS)]
    pictures = [vision.prepare(message.images[0]) for message, _ in shown]
    ids = torch.tensor([chat.build([], (message,)) for message, _ in shown])
    answers = module.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=torch.cat([picture.inputs["pixel_values"] for picture in pictures]),
        do_sample=False,
        max_new_tokens=4,
    )[:, ids.shape[1] :]
    right = [
        sorted(tokenizer.decode(answer).split()) == sorted(cards)
        for answer, (_, cards) in zip(answers, shown, strict=True)
    ]
    assert sum(right) >= FLOOR * HANDS
