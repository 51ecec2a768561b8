"""Pre-training transcripts: the compact game under rules that are drawn anew for every problem.

J, Q and K get a random value each. Two rules never occur: all three 10, and 11, 12, 13.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tiny_models.transcript import Transcript

from farfield_generalpoints.cards import Hand, Rule, deal_ranks, drawn_rule, hand_of, rank_values
from farfield_generalpoints.demonstrations import right_attempt, wrong_attempt
from farfield_generalpoints.judging import Problem
from farfield_generalpoints.prompts import feedback, task
from farfield_generalpoints.solver import solvable

TARGET = 24
TURNS = (1, 1, 2, 3, 5)
"""How many turns a transcript has, each entry as likely."""
FAILURE_RATE = 0.4
"""Share of wrong attempts where there is more than one turn."""
FAILURE_WEIGHT = 0.3
"""Loss weight of a wrong attempt: what a model reads at large is not all right either."""


@dataclass(frozen=True)
class Question:
    """A problem as the user puts it."""

    problem: Problem
    text: str
    images: tuple[bytes, ...] = ()


def in_words(rng: Random) -> Question:
    """A hand whose cards are named."""
    hand, faces = random_hand(rng)
    problem = Problem(hand.faces, hand.values, faces, TARGET, "compact")
    return Question(problem, task(problem))


def transcripts(rng: Random, attempts: int, ask: Callable[[Random], Question] = in_words) -> list[Transcript]:
    """As many transcripts of equal turns as make up about this many attempts."""
    turns = rng.choice(TURNS)
    failure_rate = FAILURE_RATE if turns > 1 else 0.0
    return [_transcript(rng, turns, failure_rate, ask) for _ in range(round(attempts / turns))]


def _transcript(
    rng: Random, turns: int, failure_rate: float, ask: Callable[[Random], Question]
) -> Transcript:
    """After a failed attempt comes feedback and the same task, after a solution another task under
    another rule, so that nearly every turn has something to learn."""
    transcript = Transcript()
    question = ask(rng)
    text, images = question.text, question.images
    for _ in range(turns):
        transcript.add("user", text, 0.0, images)
        if rng.random() < failure_rate:
            response, faults = wrong_attempt(question.problem, rng)
            transcript.add("assistant", response, FAILURE_WEIGHT)
            text, images = feedback(question.problem, faults), ()
        else:
            transcript.add("assistant", right_attempt(question.problem, rng), 1.0)
            question = ask(rng)
            text, images = question.text, question.images
    return transcript


def random_hand(rng: Random) -> tuple[Hand, Rule]:
    """A solvable hand and the random rule that makes it so."""
    while True:
        faces = drawn_rule(rng)
        hand = hand_of(deal_ranks(rng, "uniform"), rank_values(faces), rng)
        if solvable(tuple(sorted(hand.values)), TARGET):
            return hand, faces
