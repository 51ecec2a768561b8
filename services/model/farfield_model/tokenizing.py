"""Tokenizers and processors from folders in Hugging Face format: what makes prompts, without torch."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoProcessor, AutoTokenizer, GenerationConfig

from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_model.images import ImageFile, pixels


class ProcessorEyes:
    """What a chat with images needs, by the model's processor alone."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self._mark: str = processor.image_token

    def tokenize(self, text: str, images: Sequence[ImageFile]) -> list[int]:
        """Ids of rendered text, each image mark replaced by the tokens of its image, in order."""
        if text.count(self._mark) != len(images):
            raise InvalidArgument(
                f"a message holds the text {self._mark}, which stands for an image; {len(images)} images "
                f"are given for {text.count(self._mark)} marks"
            )
        if not images:
            return list(self.processor.tokenizer.encode(text, add_special_tokens=False))
        decoded = [pixels(image) for image in images]
        encoded = self.processor(text=[text], images=[decoded], add_special_tokens=False)
        return list(encoded["input_ids"][0])


def load_tokenizer(path: str | Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise FailedPrecondition(f"{path} holds no tokenizer that loads: {error}") from error


def load_processor(path: str | Path) -> Any:
    """What turns text and images into inputs of a vision-language model."""
    try:
        processor = AutoProcessor.from_pretrained(path)
    except (OSError, ValueError, ImportError) as error:
        raise FailedPrecondition(f"{path} holds no processor that loads: {error}") from error
    if not hasattr(processor, "image_processor"):
        raise FailedPrecondition(f"{path} holds a vision-language model without an image processor")
    return processor


def has_processor(path: str | Path) -> bool:
    """Whether prompts of the model in a folder may hold images."""
    try:
        return hasattr(AutoConfig.from_pretrained(path), "vision_config")
    except (OSError, ValueError):
        return False  # a tokenizer alone


def end_ids(module: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a response, as generation config, model and tokenizer name them."""
    text = module.config.get_text_config()
    return _merged(module.generation_config.eos_token_id, text.eos_token_id, tokenizer.eos_token_id)


def end_ids_in(path: str | Path, tokenizer: Any) -> tuple[int, ...]:
    """The same, of a folder whose model is not loaded."""
    named = [tokenizer.eos_token_id]
    with contextlib.suppress(OSError, ValueError):  # a tokenizer alone
        named.append(AutoConfig.from_pretrained(path).get_text_config().eos_token_id)
    with contextlib.suppress(OSError, ValueError):
        named.append(GenerationConfig.from_pretrained(path).eos_token_id)
    return _merged(*named)


def _merged(*named: int | Iterable[int] | None) -> tuple[int, ...]:
    found: set[int] = set()
    for given in named:
        found.update([] if given is None else [given] if isinstance(given, int) else given)
    return tuple(sorted(found))
