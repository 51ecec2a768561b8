"""The rules of the game, shared by the environment and the verifier: is an answer right, and if not, why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from farfield_generalpoints.answers import Answer, PromptForm, parse
from farfield_generalpoints.formula import Reading
from farfield_sdk import Revision


class Fault(Enum):
    """What can be wrong with an answer, the gravest first."""

    MALFORMED = "malformed"
    """The response holds no answer in the form asked for."""
    MISREAD = "misread"
    """The cards, shown as an image, are not the ones that the answer names."""
    CHARACTER = "character"
    """A character that has no place in a formula, or a formula beyond all measure."""
    SYNTAX = "syntax"
    """A token that cannot follow the one before, or an unmatched `)`. One fault for each."""
    FOREIGN = "foreign"
    """A number that is not on the cards, or is used more often than it is there."""
    UNUSED = "unused"
    """A card that is left out."""
    UNFINISHED = "unfinished"
    """It ends too early, and closing its parentheses would not solve the hand."""
    PROMISING = "promising"
    """It ends too early, but is the beginning of a solution. All numbers have been used by then, so
    only closing parentheses can follow, and one evaluation decides."""
    VALUE = "value"
    """Legal, every card used once, another value than the target."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What an answer is held against."""

    cards: tuple[str, ...]
    values: tuple[int, ...]
    faces: tuple[int, int, int]
    """What J, Q and K count as."""
    target: int
    form: PromptForm
    image: bool = False
    """Whether the cards are shown as an image alone, and so have to be recognised."""
    revision: Revision = "verifier"
    """Whether what is wrong with an attempt is said."""

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Problem":
        jack, queen, king = map(int, facts["faces"])
        return cls(
            tuple(facts["cards"]),
            tuple(map(int, facts["values"])),
            (jack, queen, king),
            int(facts["target"]),
            facts["prompt"],
            bool(facts.get("image", False)),
            facts.get("revision", "verifier"),
        )


def judge(problem: Problem, response: str) -> tuple[Fault, ...]:
    """Everything that is wrong with a response; nothing when it solves the hand."""
    return judge_answer(problem, parse(response, problem.form, problem.image))


def judge_answer(problem: Problem, answer: Answer | None) -> tuple[Fault, ...]:
    """The same of a response that was read already; None is a malformed one."""
    if answer is None:
        return (Fault.MALFORMED,)
    if problem.image and sorted(answer.cards) != sorted(problem.cards):
        return (Fault.MISREAD,)
    return judge_formula(problem, answer)


def recognised(faults: Sequence[Fault]) -> bool:
    """Whether an answer named the cards of an image rightly, whatever became of its formula: the two
    faults that say otherwise are found before any other."""
    return not {Fault.MALFORMED, Fault.MISREAD} & set(faults)


def measures(problem: Problem, answer: Answer | None, faults: Sequence[Fault]) -> dict[str, float]:
    """What the answer got right by itself, each 1 or 0: `recognition` (the cards of an image), `reads_rule`
    (it names the values that the rule gives the cards), `builds_formula` (it names a value for each card, and
    its formula would solve the hand if the cards counted those). The last two only where it names values."""
    found = {"recognition": float(recognised(faults))} if problem.image else {}
    if answer is None or not answer.values:
        return found
    as_named = replace(problem, values=answer.values)
    found["reads_rule"] = float(sorted(answer.values) == sorted(problem.values))
    complete = len(answer.values) == len(problem.cards)
    found["builds_formula"] = float(complete and not judge_formula(as_named, answer))
    return found


def judge_formula(problem: Problem, answer: Answer) -> tuple[Fault, ...]:
    reading = answer.reading
    if not reading.legal:
        return (Fault.CHARACTER,)
    faults = (Fault.SYNTAX,) * reading.syntax_faults + _number_faults(problem.values, reading)
    return faults + _value_faults(problem.target, reading, clean=not faults)


def _number_faults(values: tuple[int, ...], reading: Reading) -> tuple[Fault, ...]:
    if sorted(reading.numbers) == sorted(values):
        return ()
    used, given = Counter(reading.numbers), Counter(values)
    foreign = (Fault.FOREIGN,) if used - given else ()
    unused = (Fault.UNUSED,) if given - used else ()
    return foreign + unused


def _value_faults(target: int, reading: Reading, clean: bool) -> tuple[Fault, ...]:
    if reading.unfinished:
        promising = clean and reading.value == target
        return (Fault.PROMISING,) if promising else (Fault.UNFINISHED,)
    return (Fault.VALUE,) if clean and reading.value != target else ()
