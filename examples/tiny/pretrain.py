"""Builds the tiny base model from nothing: tokenizer, random weights, pre-training.

    PYTHONPATH=examples python examples/tiny/pretrain.py --output /tmp/tiny

Deterministic for a seed, a thread count and a torch build.
"""

import argparse
from pathlib import Path
from random import Random

import torch
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = build_llama(WORDS, arguments.seed)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    rng = Random(f"mixed {arguments.seed}")
    train(model, SCHEDULE, lambda: batch(rng))
    model.save_pretrained(arguments.output)
    save_tokenizer(arguments.output)


if __name__ == "__main__":
    main()
