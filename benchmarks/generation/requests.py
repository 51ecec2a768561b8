"""What benchmarks of generation ask for: prompts of random ids, with the tokens that each is to get."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from farfield_policy.engine import Prompt, Sampling

VOCABULARY = 512
TURNS, GROUP = 4, 8


@dataclass(frozen=True)
class Load:
    """`turns`: how often each prompt goes on from its response. `arrivals`: seconds until each request comes;
    none where all are there from the start."""

    prompts: list[Prompt]
    turns: int = 1
    arrivals: list[float] | None = None

    @property
    def tokens(self) -> int:
        return sum(prompt.sampling.max_new_tokens for prompt in self.prompts) * self.turns


def equal(batch: int) -> Load:
    """Prompts of 32 tokens and responses of 48, as many as rows."""
    rng = random.Random(batch)
    return Load([prompt(ids(rng, 32), 48, seed) for seed in range(batch)])


def mixed(batch: int) -> Load:
    """8 to 64 of each, twice as many as rows."""
    rng = random.Random(batch)
    return Load([prompt(ids(rng, rng.randint(8, 64)), rng.randint(8, 64), seed) for seed in range(2 * batch)])


def turns(batch: int) -> Load:
    """Revision: four turns of 24 or 8 new tokens and 16 drawn; groups of four share a task."""
    rng = random.Random(batch)
    tasks = [ids(rng, 24) for _ in range(-(-batch // 4))]
    return Load([prompt(tasks[seed // 4], 16, seed) for seed in range(batch)], turns=TURNS)


def groups(batch: int) -> Load:
    """As GRPO samples: groups of eight share a prompt of 96 tokens; responses of 24 to 40."""
    rng = random.Random(batch)
    tasks = [ids(rng, 96) for _ in range(-(-batch // GROUP))]
    return Load([prompt(tasks[seed // GROUP], rng.randint(24, 40), seed) for seed in range(batch)])


def arriving(batch: int) -> Load:
    """The mixed requests, coming one by one at random within the first second for each 64 of them."""
    load = mixed(batch)
    rng = random.Random(0)
    span = len(load.prompts) / 64
    return replace(load, arrivals=sorted(rng.uniform(0, span) for _ in load.prompts))


LOADS = {"equal": equal, "mixed": mixed, "turns": turns, "groups": groups, "arriving": arriving}


def prompt(prefix: list[int], new: int, seed: int) -> Prompt:
    return Prompt(Sampling(new, temperature=1.0), prefix_ids=prefix, seed=seed)


def ids(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(1, VOCABULARY) for _ in range(count)]


def reply(before: Prompt, response: Sequence[int], turn: int) -> Prompt:
    """The next turn: what was said, and feedback."""
    feedback = [1 + (turn * 8 + at) % (VOCABULARY - 1) for at in range(8)]
    said = [*before.prefix_ids, *response, *feedback]
    return replace(before, prefix_ids=said, seed=before.seed + 1000 * (turn + 1))
