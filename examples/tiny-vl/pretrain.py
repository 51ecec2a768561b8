"""Gives the tiny model of the demo eyes: a vision tower, and pre-training on pictures of cards.

    PYTHONPATH=examples python examples/tiny-vl/pretrain.py --output /tmp/tiny-vl

First it names cards, then it plays. Deterministic for a seed, a thread count and a torch build.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from corpus import EYE, in_pictures, recognition
from tiny.corpus import transcripts
from tiny.vocabulary import WORDS as KNOWN
from tiny_models.command import arguments
from tiny_models.training import Inputs, Schedule, train
from tiny_models.transcript import Transcript
from tiny_models.vision import IMAGE_MARKS, build_model, build_processor, picture_batch, save
from torch import Tensor
from transformers import LlamaForCausalLM

TEXT_BASE = Path(__file__).parents[1] / "tiny" / "checkpoint"
WORDS = (*KNOWN, "shown", *IMAGE_MARKS)
WORD_IDS = {word: i for i, word in enumerate(WORDS)}
LONGEST = 512


@dataclass(frozen=True)
class Falling(Schedule):
    """The cosine begins at once, and the warm-up lies over it."""

    def at(self, step: int) -> float:
        fallen = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / self.over))
        return self.rate * min(1, (step + 1) / self.warmup) * fallen


NAMING = Falling(steps=55, over=550, rate=2e-3, warmup=20)
HANDS = 128
"""Of a step of naming."""
PLAYING = Falling(steps=200, over=600, rate=2e-3, warmup=30)
"""Stopped early, as the text base: what the model can do it does not yet always do."""
ATTEMPTS = 128
"""Of a step of playing."""


class Pretraining:
    """The model, its processor, and batches for it."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.model = build_model(LlamaForCausalLM.from_pretrained(TEXT_BASE), WORDS, EYE)
        self.processor = build_processor(WORDS, EYE, LONGEST)
        self._rng = Random(f"pictures {seed}")

    def naming(self) -> tuple[Tensor, Tensor, Inputs]:
        return self._batch([recognition(self._rng) for _ in range(HANDS)])

    def playing(self) -> tuple[Tensor, Tensor, Inputs]:
        return self._batch(transcripts(self._rng, ATTEMPTS, in_pictures))

    def _batch(self, drawn: Sequence[Transcript]) -> tuple[Tensor, Tensor, Inputs]:
        return picture_batch(self.processor, drawn, WORD_IDS)


def main() -> None:
    given = arguments(__doc__)
    pretraining = Pretraining(given.seed)
    print(f"{sum(p.numel() for p in pretraining.model.parameters()):,} parameters; naming cards", flush=True)
    train(pretraining.model, NAMING, pretraining.naming)
    print("playing", flush=True)
    train(pretraining.model, PLAYING, pretraining.playing)
    save(pretraining.model, pretraining.processor, given.output)


if __name__ == "__main__":
    main()
