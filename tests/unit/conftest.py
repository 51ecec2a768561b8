import io
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def byte_tokenizer(template: str | None, special: Sequence[str], eos: str) -> PreTrainedTokenizerFast:
    """One token per byte, and one for each special string."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=eos, chat_template=template)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


@pytest.fixture(scope="session")
def make_byte_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return byte_tokenizer


SPECIAL = ["<pad>", "<end>", "<system>", "<user>", "<assistant>"]
WORDS = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz", *map(str, range(10))]
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def word_tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(scope="session")
def make_word_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return word_tokenizer


@pytest.fixture(scope="session")
def vision_models() -> ModuleType:
    """`vision_models.py` beside this file."""
    spec = spec_from_file_location("vision_models", Path(__file__).with_name("vision_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=["idefics3", "llava", "qwen2_vl"])
def seeing(request: pytest.FixtureRequest, vision_models: ModuleType) -> tuple[Any, Any]:
    """A vision-language model and its processor, of each architecture."""
    return vision_models.ARCHITECTURES[request.param](word_tokenizer())


@pytest.fixture(scope="session")
def vision_checkpoint(tmp_path_factory: pytest.TempPathFactory, vision_models: ModuleType) -> Path:
    """An Idefics3 with its processor, as a folder."""
    folder = tmp_path_factory.mktemp("vision")
    module, processor = vision_models.idefics3(word_tokenizer())
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def png(seed: int, width: int = 84, height: int = 56) -> bytes:
    """A picture of coloured stripes."""
    picture = Image.new("RGB", (width, height))
    canvas, rng = ImageDraw.Draw(picture), Random(seed)
    for left in range(0, width, 14):
        colour = tuple(rng.randrange(256) for _ in range(3))
        canvas.rectangle((left, rng.randrange(height), left + 13, height), fill=colour)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    return png
