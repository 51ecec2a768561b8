"""Builds the tiny model of sums from nothing: tokenizer, random weights, pre-training.

    PYTHONPATH=examples python examples/tiny-sums/pretrain.py --output /tmp/tiny-sums

Deterministic for a seed, a thread count and a torch build. Needs reasoning-gym.
"""

from random import Random

from corpus import transcripts
from tiny_models.command import arguments
from tiny_models.llama import build_llama
from tiny_models.training import Inputs, Schedule, collate, train
from torch import Tensor
from vocabulary import WORDS, save_tokenizer

WORD_IDS = {word: i for i, word in enumerate(WORDS)}
SCHEDULE = Schedule(steps=450, over=600, rate=4e-3)
ANSWERS = 192
"""Of a step."""


def batch(rng: Random) -> tuple[Tensor, Tensor, Inputs]:
    """Ids, weights, and no images."""
    return *collate(transcripts(rng, ANSWERS), WORD_IDS), {}


def main() -> None:
    given = arguments(__doc__)
    model = build_llama(WORDS, given.seed, longest=256, width=64, layers=2)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    rng = Random(f"sums {given.seed}")
    train(model, SCHEDULE, lambda: batch(rng))
    model.save_pretrained(given.output)
    save_tokenizer(given.output)


if __name__ == "__main__":
    main()
