"""What one update learns from, as plain data that every way of training reads: 256 episodes in groups of 8.

The standard library alone, since a peer reads it too.
"""

import json
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

VOCABULARY, GROUPS, GROUP = 512, 32, 8


@dataclass(frozen=True)
class Turn:
    """`new`: what the prompt adds to what was said before."""

    new: list[int]
    response: list[int]
    logprobs: list[float]


@dataclass(frozen=True)
class Sample:
    """Ids of a context; `logprobs` and `mask` are aligned with them, 1 where a token is trained on."""

    ids: list[int]
    mask: list[int]
    logprobs: list[float]
    advantage: float
    reward: float


@dataclass(frozen=True)
class Episode:
    """The last turn earns `reward`, the others nothing; `advantage` is that of every turn (GRPO)."""

    group: int
    turns: list[Turn]
    reward: float
    advantage: float

    def merged(self) -> Sample:
        """The conversation as one context."""
        *_, last = self._contexts()
        mask = [bit for turn in self.turns for bit in [0] * len(turn.new) + [1] * len(turn.response)]
        return Sample(last.ids, mask, last.logprobs, self.advantage, self.reward)

    def by_turn(self) -> list[Sample]:
        """Each turn in a context of its own that ends with it, as the paper's reference has it."""
        return list(self._contexts())

    def _contexts(self) -> Iterator[Sample]:
        ids: list[int] = []
        logprobs: list[float] = []
        for turn in self.turns:
            mask = [0] * (len(ids) + len(turn.new)) + [1] * len(turn.response)
            ids = ids + turn.new + turn.response
            logprobs = logprobs + [0.0] * len(turn.new) + turn.logprobs
            reward = self.reward if turn is self.turns[-1] else 0.0
            yield Sample(ids, mask, logprobs, self.advantage, reward)


Turns = list[tuple[list[int], list[int]]]


def equal_lengths() -> list[Episode]:
    """One turn of 32 + 32 tokens."""
    draw = random.Random(0)
    return episodes(draw, lambda: ids(draw, 32), lambda prompt: [(prompt, ids(draw, 32))])


def real_lengths() -> list[Episode]:
    """20 to 200 tokens: first prompt 20 to 28, responses 8 to 20, feedback 8 to 14, up to 5 turns."""
    draw = random.Random(1)

    def turns(prompt: list[int]) -> Turns:
        played = [(prompt, ids(draw, draw.randint(8, 20)))]
        for _ in range(draw.choice([0, 0, 1, 2, 4, 4])):
            played += [(ids(draw, draw.randint(8, 14)), ids(draw, draw.randint(8, 20)))]
        return played

    return episodes(draw, lambda: ids(draw, draw.randint(20, 28)), turns)


DATA = {"equal_32_32": equal_lengths, "real_20_200": real_lengths}


def episodes(
    draw: random.Random, prompt: Callable[[], list[int]], turns: Callable[[list[int]], Turns]
) -> list[Episode]:
    """Groups that share a first prompt. No turn has logprobs yet but those of a uniform choice."""
    made = []
    for group in range(GROUPS):
        opening = prompt()
        played = [turns(opening) for _ in range(GROUP)]
        rewards = [draw.random() for _ in range(GROUP)]
        mean, deviation = statistics.fmean(rewards), statistics.pstdev(rewards)
        for one, reward in zip(played, rewards, strict=True):
            said = [Turn(new, response, [-6.2] * len(response)) for new, response in one]
            made.append(Episode(group, said, reward, (reward - mean) / (deviation + 1e-6)))
    return made


def ids(draw: random.Random, count: int) -> list[int]:
    return [draw.randrange(2, VOCABULARY) for _ in range(count)]


def write(path: Path, played: Sequence[Episode]) -> None:
    path.write_text(json.dumps([asdict(one) for one in played]))


def read(path: Path) -> list[Episode]:
    return [
        Episode(one["group"], [Turn(**turn) for turn in one["turns"]], one["reward"], one["advantage"])
        for one in json.loads(path.read_text())
    ]
