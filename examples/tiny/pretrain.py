"""Builds the tiny base model from nothing: tokenizer, random weights, pre-training.

    PYTHONPATH=examples python examples/tiny/pretrain.py --output /tmp/tiny

Deterministic for a seed, a thread count and a torch build.
"""

from dataclasses import replace
from random import Random

from tiny_models.command import arguments
from tiny_models.llama import build_llama
from tiny_models.training import Inputs, Schedule, collate, train
from torch import Tensor

from tiny.corpus import transcripts
from tiny.vocabulary import WORDS, save_tokenizer

WORD_IDS = {word: i for i, word in enumerate(WORDS)}

SCHEDULE = Schedule(steps=600, over=1000, rate=3e-3)
"""Stopped early: under-trained, the model knows more than it shows when it is sampled."""
ATTEMPTS = 160
"""Of a step."""


def batch(rng: Random) -> tuple[Tensor, Tensor, Inputs]:
    """Ids, weights, and no images."""
    return *collate(transcripts(rng, ATTEMPTS), WORD_IDS), {}


def main() -> None:
    given = arguments(__doc__, steps=SCHEDULE.steps)
    model = build_llama(WORDS, given.seed)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    rng = Random(f"mixed {given.seed}")
    train(model, replace(SCHEDULE, steps=given.steps), lambda: batch(rng))
    model.save_pretrained(given.output)
    save_tokenizer(given.output)


if __name__ == "__main__":
    main()
