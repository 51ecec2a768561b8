"""Pre-training transcripts: the compact game under rules that are drawn anew for every sample.

J, Q and K get a random value each. Two rules never occur: all three 10, and 11, 12, 13. A hand whose
values the environment holds out never occurs under any rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from farfield_generalpoints.cards import RULES, deal_ranks, hand_of, held_out, rank_values
from farfield_generalpoints.demonstrations import right_attempt, wrong_attempt
from farfield_generalpoints.judging import Problem
from farfield_generalpoints.prompts import feedback, task
from farfield_generalpoints.solver import solvable

TARGET = 24
LARGEST_FACE_VALUE = 13
TURNS = 5
FAILURE_RATE = 0.3


@dataclass(frozen=True)
class Transcript:
    """A conversation as words, with the loss weight of each word."""

    words: list[str]
    weights: list[float]

    def add(self, role: str, text: str, weight: float) -> None:
        opening, body = [f"<{role}>"], [*text.split(), "<end>"]
        self.words.extend(opening + body)
        self.weights.extend([0.0] * len(opening) + [weight] * len(body))


def single_attempts(rng: Random) -> Iterator[Transcript]:
    """A task and a solution, for ever."""
    while True:
        yield _transcript(rng, turns=1, failure_rate=0.0)


def conversations(rng: Random) -> Iterator[Transcript]:
    """Several turns, for ever. After a failed attempt comes feedback and the same task, after a
    solution another task under another rule, so that nearly every turn has something to learn."""
    while True:
        yield _transcript(rng, TURNS, FAILURE_RATE)


def _transcript(rng: Random, turns: int, failure_rate: float) -> Transcript:
    transcript = Transcript([], [])
    problem = _problem(rng)
    message = task(problem)
    for _ in range(turns):
        transcript.add("user", message, 0.0)
        if rng.random() < failure_rate:
            response, faults = wrong_attempt(problem, rng)
            transcript.add("assistant", response, 0.0)
            message = feedback(problem, faults)
        else:
            transcript.add("assistant", right_attempt(problem, rng), 1.0)
            problem = _problem(rng)
            message = task(problem)
    return transcript


def _problem(rng: Random) -> Problem:
    """A solvable hand that is not held out, under a random rule."""
    while True:
        faces = _random_rule(rng)
        hand = hand_of(deal_ranks(rng, "uniform"), rank_values(faces), rng)
        values = tuple(sorted(hand.values))
        if not held_out(values) and solvable(values, TARGET):
            return Problem(hand.faces, hand.values, faces, TARGET, "compact")


def _random_rule(rng: Random) -> tuple[int, int, int]:
    while True:
        j, q, k = (1 + int(rng.random() * LARGEST_FACE_VALUE) for _ in range(3))
        if (j, q, k) not in RULES.values():
            return j, q, k
