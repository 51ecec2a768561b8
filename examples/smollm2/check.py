"""Whether a converted model is the one in the file: by another reader, by arithmetic, by its words."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gguf import GGMLQuantizationType, GGUFReader, dequantize
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

TOLERANCE = 1e-3
"""Of logits, which are tens."""
QUESTION, ANSWER = "What is the capital of France? Answer with one word.", "Paris"
PASSAGE = (
    "The sun rose slowly over the small village, and the first farmers walked out to their fields. A cold "
    "wind came down from the hills. By noon the market was full of people who had come to buy bread, cheese "
    "and apples, and children ran between the tables while their parents talked about the weather."
)
DULLEST = 3.5
"""Nats a token that a model of this size needs at most for the passage; one whose rotations are wrong needs
more than 6."""


def blocks(kind: GGMLQuantizationType, data: Bytes) -> Floats:
    """Dequantised values by our own arithmetic: 32 a block. Q8_0 is scale (float16) and 32 signed bytes;
    Q4_1 is scale, least value (float16 each) and 16 bytes, whose low halves come first."""
    if kind == GGMLQuantizationType.Q8_0:
        rows = data.reshape(-1, 34)
        return (_halves(rows, 0) * rows[:, 2:].view(np.int8)).astype(np.float32)
    rows = data.reshape(-1, 20)
    levels = np.concatenate([rows[:, 4:] & 15, rows[:, 4:] >> 4], axis=1)
    return (_halves(rows, 0) * levels + _halves(rows, 2)).astype(np.float32)


def _halves(rows: Bytes, at: int) -> Floats:
    """[blocks, 1]: the float16 that stands `at` this byte of each block."""
    return rows[:, at : at + 2].copy().view(np.float16).astype(np.float32)


def rounding_of(reader: GGUFReader) -> float:
    """How far quantisation moved the weights of the layers, as a share of their size, if it rounded to the
    nearest of a block's 16 levels: a step's width over the root of 12. Checks the arithmetic on the way."""
    moved = size = 0.0
    for stored in reader.tensors:
        if stored.tensor_type == GGMLQuantizationType.F32:
            continue
        own = blocks(stored.tensor_type, stored.data)
        if not np.array_equal(own.reshape(-1), dequantize(stored.data, stored.tensor_type).reshape(-1)):
            raise ValueError(f"{stored.name} is read in two ways; is the package gguf another than 0.19?")
        if stored.tensor_type == GGMLQuantizationType.Q4_1:
            moved += 32 * float((_halves(stored.data.reshape(-1, 20), 0) ** 2).sum()) / 12
            size += float((own**2).sum())
    return float((moved / size) ** 0.5)


@torch.no_grad()
def difference(module: Any, file: Path, ids: Tensor) -> float:
    """Between the logits of `module` and of the same file as transformers reads it."""
    transformers_logging.disable_progress_bar()
    theirs = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="float32").eval()
    return float((module(ids).logits - theirs(ids).logits).abs().max())


@torch.no_grad()
def answer(module: Any, tokenizer: PreTrainedTokenizerFast) -> str:
    """What it says, greedily."""
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    said = module.generate(asked, attention_mask=torch.ones_like(asked), max_new_tokens=12, do_sample=False)
    return tokenizer.decode(said[0, asked.shape[1] :], skip_special_tokens=True)


@torch.no_grad()
def nats(module: Any, ids: Tensor) -> float:
    """A token of a text [1, tokens]."""
    return float(module(ids, labels=ids).loss)
