"""Expert episodes for supervised fine-tuning.

`optimal`: one right answer, as the prompt form has it. `answer_only` and `worked`: the same solution without
and with its working, whatever the form. `revision`: failed attempts first. Blind episodes have a fixed number
of attempts: `revision` fails all but the last, the others keep their answer.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Literal, get_args

from farfield_generalpoints.answers import compose, working
from farfield_generalpoints.cards import FACES, rank_values
from farfield_generalpoints.judging import Fault, Problem, judge
from farfield_generalpoints.prompts import feedback
from farfield_generalpoints.solver import Values, atom, joined, solutions
from farfield_sdk import Demonstration, Message, Sample, assistant, user

Style = Literal["optimal", "revision", "answer_only", "worked"]
GUESSES = 6
MISREAD = 0.3
"""Share of the failed attempts at an image that misread a card."""
STYLES: tuple[str, ...] = get_args(Style)
WORKED: Mapping[str, bool] = {"answer_only": False, "worked": True}


def demonstrate(opening: Message, problem: Problem, style: str, turns: int, seed: int) -> Demonstration:
    """One expert episode. Attempts that failed are context: their loss weight is zero."""
    rng, blind = Random(f"demonstration {seed}"), problem.revision == "blind"
    failed = _failures(turns, blind, rng) if style == "revision" and turns > 1 else 0
    messages = [opening]
    for _ in range(failed):
        response, faults = wrong_attempt(problem, rng)
        messages += [assistant(response), user(feedback(problem, faults))]
    right = assistant(right_attempt(problem, rng, WORKED.get(style)))
    kept = turns - failed - 1 if blind else 0
    messages.append(right)
    for _ in range(kept):
        messages += [user(feedback(problem, ())), right]
    return Demonstration(Sample(tuple(messages)), (0.0,) * failed + (1.0,) * (1 + kept))


def _failures(turns: int, blind: bool, rng: Random) -> int:
    return turns - 1 if blind else 1 + int(rng.random() * (turns - 1))


def right_attempt(problem: Problem, rng: Random, worked: bool | None = None) -> str:
    """One of all the solutions, each as likely; in the compact form, of those whose working can be
    written, where there are such. `worked`: with or without its working, None as the form has it."""
    values = tuple(sorted(problem.values))
    plain = presentable(values, problem.target) if problem.form == "compact" else ()
    return _answer(problem, _pick(rng, plain or solutions(values, problem.target)), worked)


@lru_cache(maxsize=1 << 13)
def presentable(values: Values, target: int) -> tuple[str, ...]:
    """The solutions that go by whole numbers below a hundred."""
    return tuple(formula for formula in solutions(values, target) if working(values, formula))


def wrong_attempt(problem: Problem, rng: Random) -> tuple[str, tuple[Fault, ...]]:
    """A well-formed answer that does not solve the hand: mostly a wrong value, at times a card left
    out or a number that is not there; of an image, at times a card misread."""
    while True:
        seen = _misread(problem, rng) if problem.image and rng.random() < MISREAD else problem
        response = _answer(seen, _guess(seen, rng))
        faults = judge(problem, response)
        if faults:
            return response, faults


def _guess(problem: Problem, rng: Random) -> str:
    """A formula found without looking, in the compact form preferably one whose working can be
    written: a guess should not betray itself by its shape."""
    numbers = _slightly_wrong(problem.values, rng)
    guesses = [random_formula(numbers, rng) for _ in range(GUESSES if problem.form == "compact" else 1)]
    return next((guess for guess in guesses if working(problem.values, guess)), guesses[0])


def random_formula(values: list[int], rng: Random) -> str:
    """A random formula over the values in random order, tokens apart by spaces."""
    terms = [atom(value) for value in sorted(values, key=lambda _: rng.random())]
    while len(terms) > 1:
        at = int(rng.random() * (len(terms) - 1))
        left, right = terms[at : at + 2]
        terms[at : at + 2] = [joined(left, _pick(rng, "+-*/"), right)]
    return terms[0][0]


def _slightly_wrong(values: tuple[int, ...], rng: Random) -> list[int]:
    chosen, chance = list(values), rng.random()
    at = int(rng.random() * len(chosen))
    if chance < 0.1:
        del chosen[at]
    elif chance < 0.2:
        chosen[at] += 1
    return chosen


def _misread(problem: Problem, rng: Random) -> Problem:
    """The hand with one card taken for another."""
    at, face = int(rng.random() * len(problem.cards)), int(rng.random() * len(FACES))
    value = rank_values(problem.faces)[1 + face]
    cards = (*problem.cards[:at], FACES[face], *problem.cards[at + 1 :])
    return replace(problem, cards=cards, values=(*problem.values[:at], value, *problem.values[at + 1 :]))


def _answer(problem: Problem, formula: str, worked: bool | None = None) -> str:
    named = problem.cards, problem.values
    return compose(problem.form, *named, formula, problem.target, problem.image, worked)


def _pick(rng: Random, options: str | tuple[str, ...]) -> str:
    return options[int(rng.random() * len(options))]
