"""How the tiny models of the examples are put together."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoModelForCausalLM

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture
def words(load: Callable[[str], ModuleType]) -> tuple[str, ...]:
    return (*load("tiny.vocabulary").WORDS, "shown", *load("tiny_models.vision").IMAGE_MARKS)


def test_eyes_change_nothing_about_words(load: Callable[[str], ModuleType], words: tuple[str, ...]) -> None:
    vision = load("tiny_models.vision")
    text = AutoModelForCausalLM.from_pretrained(EXAMPLES / "tiny" / "checkpoint").eval()
    eye = vision.Eye(side=32, patch=8, shuffle=2, width=16, layers=1, heads=2)
    model = vision.build_model(text, words, eye).eval()
    known = text.config.vocab_size
    ids = torch.randint(known, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = model(input_ids=ids).logits[..., :known]
        torch.testing.assert_close(found, text(input_ids=ids).logits)
    assert model.get_input_embeddings().num_embeddings == len(words)


def test_words_hold_the_place_that_the_processor_fills(
    load: Callable[[str], ModuleType], words: tuple[str, ...], make_png: Callable[..., bytes]
) -> None:
    vision = load("tiny_models.vision")
    eye = vision.Eye(side=48, patch=8, shuffle=3, width=16, layers=1, heads=2)
    processor = vision.build_processor(words, eye, longest=64)
    shown = vision.pixels(processor, [make_png(0)])
    assert shown["pixel_values"].shape == (1, 1, 3, 48, 48)
    filled = processor.replace_image_token({"rows": [[0]], "cols": [[0]]}, 0)
    assert processor.tokenizer.tokenize(filled) == eye.place.split()
    assert eye.place.split().count("<image>") == eye.tokens == 4


def test_no_pictures_are_no_inputs(load: Callable[[str], ModuleType], words: tuple[str, ...]) -> None:
    vision = load("tiny_models.vision")
    eye = vision.Eye(side=32, patch=8, shuffle=2, width=16, layers=1, heads=2)
    assert vision.pixels(vision.build_processor(words, eye, longest=64), []) == {}


def test_a_schedule_warms_up_and_falls(load: Callable[[str], ModuleType]) -> None:
    schedule = load("tiny_models.training").Schedule(steps=60, over=100, rate=2.0, warmup=10)
    rates = [schedule.at(step) for step in range(101)]
    assert rates[:2] == [0.2, 0.4]
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert rates[100] == pytest.approx(0.1)
