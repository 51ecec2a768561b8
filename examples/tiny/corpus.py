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
WRONG_ATTEMPT_WEIGHT = 0.15
"""Enough to know how a failed attempt reads, little enough not to learn to fail."""


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
    """A prompt and a solution, for ever."""
    while True:
        yield _transcript(rng, failed=0)


def retries(rng: Random, most_failed: int) -> Iterator[Transcript]:
    """A prompt, failed attempts with their feedback, a solution; for ever."""
    while True:
        yield _transcript(rng, failed=int(rng.random() * (most_failed + 1)))


def _transcript(rng: Random, failed: int) -> Transcript:
    problem = _problem(rng)
    transcript = Transcript([], [])
    transcript.add("user", task(problem), 0.0)
    for _ in range(failed):
        response, faults = wrong_attempt(problem, rng)
        transcript.add("assistant", response, WRONG_ATTEMPT_WEIGHT)
        transcript.add("user", feedback(problem, faults), 0.0)
    transcript.add("assistant", right_attempt(problem, rng), 1.0)
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
