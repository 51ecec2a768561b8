"""Builds the V-IRL base model from nothing: tokenizer, random weights, pre-training.

    PYTHONPATH=examples python examples/virl/pretrain.py --output /tmp/virl

First it repeats words, then it walks. Deterministic for a seed, a thread count and a torch build.
"""

from collections.abc import Callable
from random import Random

from tiny_models.command import arguments
from tiny_models.llama import build_llama
from tiny_models.training import Inputs, Schedule, collate, train
from tiny_models.transcript import Transcript
from tiny_models.words import chat_template, word_tokenizer
from torch import Tensor

from virl.corpus import repetitions, walks
from virl.vocabulary import LONGEST, WORDS

WORD_IDS = {word: i for i, word in enumerate(WORDS)}

REPEATING = Schedule(steps=250, over=1000, rate=2e-3)
"""Without it the model takes thousands of steps to find that directions are there to be repeated."""
REPETITIONS = 64
"""Of a step."""
WALKING = Schedule(steps=140, over=600, rate=2e-3)
"""Stopped early: under-trained, the model knows more than it shows when it is sampled."""
POINTS = 48
"""Of a step."""


def batches(
    draw: Callable[[Random, int], list[Transcript]], rng: Random, size: int
) -> Callable[[], tuple[Tensor, Tensor, Inputs]]:
    """Ids, weights, and no images."""
    return lambda: (*collate(draw(rng, size), WORD_IDS), {})


def main() -> None:
    given = arguments(__doc__)
    model = build_llama(WORDS, given.seed, LONGEST)
    print(f"{model.num_parameters():,} parameters; repeating", flush=True)
    rng = Random(f"walks {given.seed}")
    train(model, REPEATING, batches(repetitions, rng, REPETITIONS))
    print("walking", flush=True)
    train(model, WALKING, batches(walks, rng, POINTS))
    model.save_pretrained(given.output)
    word_tokenizer(WORDS, chat_template(), LONGEST).save_pretrained(given.output)


if __name__ == "__main__":
    main()
