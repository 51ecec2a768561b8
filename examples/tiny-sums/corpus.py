"""Pre-training transcripts: sums with answers of which many are wrong, first ones and second ones alike."""

from random import Random

from tiny_models.transcript import Transcript
from vocabulary import pieces

from farfield_reasoning_gym.answers import request, task
from farfield_reasoning_gym.tasks import Task

SUMS = Task("chain_sum", None, {"min_terms": 2, "max_terms": 2, "min_digits": 2, "max_digits": 2})
FAILURE_RATE = 0.3
"""Share of wrong answers, whatever stands before them: second answers mend as much as they spoil."""
FAILURE_WEIGHT = 0.3
"""Loss weight of a wrong answer."""
ATTEMPTS = (1, 1, 1, 2)
"""How many answers the transcripts of a step have, each entry as likely."""


def transcripts(rng: Random, answers: int) -> list[Transcript]:
    """As many transcripts of equal length as make up this many answers."""
    attempts = rng.choice(ATTEMPTS)
    return [_transcript(rng, attempts) for _ in range(answers // attempts)]


def _transcript(rng: Random, attempts: int) -> Transcript:
    """A sum and an answer; each further answer after a request for a correction."""
    entry = SUMS.entry(int(rng.random() * 2**31))
    found = Transcript()
    found.add("user", _spaced(task(entry["question"], "whole")), 0.0)
    _answer(found, int(entry["answer"]), rng)
    for _ in range(1, attempts):
        found.add("user", _spaced(request("whole")), 0.0)
        _answer(found, int(entry["answer"]), rng)
    return found


def _answer(found: Transcript, solution: int, rng: Random) -> None:
    if rng.random() < FAILURE_RATE:
        found.add("assistant", _spaced(str(wrong(solution, rng))), FAILURE_WEIGHT)
    else:
        found.add("assistant", _spaced(str(solution)), 1.0)


def wrong(solution: int, rng: Random) -> int:
    """One or ten beside the solution, as a carry forgotten."""
    return solution + rng.choice((-10, -1, 1, 10))


def _spaced(text: str) -> str:
    return " ".join(pieces(text))
