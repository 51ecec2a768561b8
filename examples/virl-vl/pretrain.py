"""Gives the V-IRL base eyes: a vision tower, and pre-training on views of towns.

    PYTHONPATH=examples python examples/virl-vl/pretrain.py --output /tmp/virl-vl

First it looks for signs, then it walks. Deterministic for a seed, a thread count and a torch build.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from tiny_models.command import arguments
from tiny_models.training import Inputs, Schedule, train
from tiny_models.transcript import Transcript
from tiny_models.vision import IMAGE_MARKS, build_model, build_processor, picture_batch, save
from torch import Tensor
from transformers import LlamaForCausalLM
from views import EYE, dress, looks_for_signs, walks_in_views
from virl.vocabulary import LONGEST
from virl.vocabulary import WORDS as KNOWN

TEXT_BASE = Path(__file__).parents[1] / "virl" / "checkpoint"
WORDS = (*KNOWN, *IMAGE_MARKS)
WORD_IDS = {word: i for i, word in enumerate(WORDS)}

LOOKING = Schedule(steps=60, over=100, rate=1e-3, warmup=20)
VIEWS = 64
"""Of a step of looking."""
WALKING = Schedule(steps=30, over=200, rate=1e-3, warmup=10)
"""Stopped early, as the base in words."""
POINTS = 48
"""Of a step of walking."""


class Pretraining:
    """The model, its processor, and batches for it."""

    def __init__(self, seed: int) -> None:
        dress()
        torch.manual_seed(seed)
        self.model = build_model(LlamaForCausalLM.from_pretrained(TEXT_BASE), WORDS, EYE)
        self.processor = build_processor(WORDS, EYE, LONGEST)
        self._rng = Random(f"views {seed}")

    def batches(
        self, draw: Callable[[Random, int], list[Transcript]], size: int
    ) -> Callable[[], tuple[Tensor, Tensor, Inputs]]:
        def batch() -> tuple[Tensor, Tensor, Inputs]:
            return picture_batch(self.processor, draw(self._rng, size), WORD_IDS)

        return batch


def main() -> None:
    given = arguments(__doc__)
    pretraining = Pretraining(given.seed)
    print(f"{pretraining.model.num_parameters():,} parameters; looking", flush=True)
    train(pretraining.model, LOOKING, pretraining.batches(looks_for_signs, VIEWS))
    print("walking", flush=True)
    train(pretraining.model, WALKING, pretraining.batches(walks_in_views, POINTS))
    save(pretraining.model, pretraining.processor, given.output)


if __name__ == "__main__":
    main()
