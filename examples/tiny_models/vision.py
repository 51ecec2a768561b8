"""A tiny Idefics3 (the SmolVLM family) around a Llama that has been trained on words, and its processor.

The processor squares every picture, whatever its shape, and puts as many tokens in its place as the model
has features for it: patches of the vision tower, `shuffle` × `shuffle` of them side by side made one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from tiny_models.training import Inputs, collate
from tiny_models.transcript import Transcript
from tiny_models.words import END, PAD, chat_template, word_tokenizer

IMAGE, AROUND, GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"
IMAGE_MARKS = (IMAGE, AROUND, GLOBAL, "<end_of_utterance>")
"""Words that the processor of Idefics3 writes, or insists on having: part of every vocabulary with images."""

_PART = "{{ '<image> ' if part['type'] == 'image' else part['text'] }}"


@dataclass(frozen=True)
class Eye:
    """The vision tower. `side` and `patch` are pixels; `side / patch` is a multiple of `shuffle`."""

    side: int
    patch: int
    shuffle: int
    width: int
    layers: int
    heads: int

    @property
    def tokens(self) -> int:
        """What a picture costs in the prompt, the three marks around it apart."""
        return (self.side // self.patch // self.shuffle) ** 2

    @property
    def place(self) -> str:
        """What stands in the words for a picture, as the processor writes it."""
        return " ".join([AROUND, GLOBAL, *[IMAGE] * self.tokens, AROUND])


def build_model(text: LlamaForCausalLM, words: Sequence[str], eye: Eye) -> Idefics3ForConditionalGeneration:
    """Takes over the weights of `text`, whose words come first among `words`; all else is drawn at random
    from torch's generator."""
    config = Idefics3Config(
        text_config=_without_its_place(text.config.to_dict()) | {"vocab_size": len(words)},
        vision_config=_vision_config(eye),
        image_token_id=words.index(IMAGE),
        scale_factor=eye.shuffle,
        tie_word_embeddings=True,
    )
    model = Idefics3ForConditionalGeneration(config)
    known = text.model.state_dict()
    rows = known.pop("embed_tokens.weight")
    model.model.text_model.load_state_dict(known, strict=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[: len(rows)] = rows
    model.generation_config.eos_token_id = words.index(END)
    model.generation_config.pad_token_id = words.index(PAD)
    return model


def _without_its_place(config: dict[str, Any]) -> dict[str, Any]:
    """A loaded config remembers the folder that it was in."""
    return {name: value for name, value in config.items() if name != "_name_or_path"}


def _vision_config(eye: Eye) -> dict[str, Any]:
    return {
        "image_size": eye.side,
        "patch_size": eye.patch,
        "hidden_size": eye.width,
        "intermediate_size": 3 * eye.width,
        "num_hidden_layers": eye.layers,
        "num_attention_heads": eye.heads,
    }


def build_processor(words: Sequence[str], eye: Eye, longest: int) -> Idefics3Processor:
    """Needs no torchvision. `longest`: tokens of a conversation."""
    images = Idefics3ImageProcessorPil(
        size={"height": eye.side, "width": eye.side},
        max_image_size={"longest_edge": eye.side},
        do_image_splitting=False,
    )
    tokenizer = image_tokenizer(words, longest)
    return Idefics3Processor(
        images, tokenizer, image_seq_len=eye.tokens, chat_template=tokenizer.chat_template
    )


def image_tokenizer(words: Sequence[str], longest: int) -> PreTrainedTokenizerFast:
    """Image marks are tokens of their own wherever they stand: the processor leaves no space between."""
    tokenizer = word_tokenizer(words, chat_template(_PART), longest)
    tokenizer.add_special_tokens({"additional_special_tokens": list(IMAGE_MARKS)})
    return tokenizer


def pixels(processor: Idefics3Processor, images: Iterable[bytes]) -> Inputs:
    """What the model takes of these PNG files, each as a batch row of its own: the model puts features
    where image tokens are, in order, whatever rows they are in."""
    opened = [[Image.open(BytesIO(image))] for image in images]
    return dict(processor.image_processor(opened, return_tensors="pt")) if opened else {}


def picture_batch(
    processor: Idefics3Processor, drawn: Sequence[Transcript], word_ids: Mapping[str, int]
) -> tuple[Tensor, Tensor, Inputs]:
    """Ids, weights and pixels of transcripts that show pictures."""
    shown = (image for transcript in drawn for image in transcript.images)
    return *collate(drawn, word_ids), pixels(processor, shown)


def save(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, folder: Path) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
