"""The two forms of answer: what is read from a response, and how a good one is written."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from farfield_generalpoints.formula import steps

PromptForm = Literal["paper", "compact"]

_WORDS = range(100)
"""Numbers that the compact form writes."""
TAIL = 16_384
"""Characters of a response that are searched, from its end. A longer one may think aloud first."""
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The left side of the equation, and the cards as the answer names them; in the compact form, what
    stands before the first colon: cards where they were shown as an image, values otherwise."""

    formula: str
    cards: tuple[str, ...] = ()


def parse(response: str, form: PromptForm) -> Answer | None:
    """The answer in a response, or None for a malformed one."""
    return _parse_paper(response) if form == "paper" else _parse_compact(response)


def compose(
    form: PromptForm,
    cards: Sequence[str],
    values: Sequence[int],
    formula: str,
    target: int,
    image: bool = False,
) -> str:
    """A well-formed answer. `formula` has its tokens apart by spaces. Of an image, the compact form names
    the cards first."""
    if form == "compact":
        seen = [cards] if image else []
        lines = [" ".join(map(str, words)) for words in (*seen, values, *working(values, formula))]
        return f"{' : '.join(lines)} : {formula} = {target}"
    equation = f"{formula.replace(' ', '')}={target}"
    return json.dumps({"cards": list(cards), "number": list(values), "formula": equation})


def working(values: Sequence[int], formula: str) -> list[list[int]]:
    """The numbers that are left after each operation but the last: untouched ones first, the result
    at the end. Nothing where a number would not be one word of the compact form.

    For 3, 13, 9, 13 and `3 * ( 9 - 13 / 13 )`: [3, 9, 1], then [3, 8].
    """
    left: list[Fraction] = [Fraction(value) for value in values]
    found: list[list[int]] = []
    for *operands, result in steps(formula)[:-1]:
        if Counter(operands) - Counter(left) or result not in _WORDS:
            return []
        for operand in operands:
            left.remove(operand)
        left.append(result)
        found.append([int(number) for number in left])
    return found


def _parse_paper(response: str) -> Answer | None:
    """The last JSON object in the response that holds a formula, whatever stands around it."""
    for text in reversed(_FLAT_OBJECT.findall(response[-TAIL:])):
        found = _load(text)
        if isinstance(found, dict) and isinstance(found.get("formula"), str):
            cards = found.get("cards")
            names = tuple(map(str, cards)) if isinstance(cards, list) else ()
            return Answer(_left_side(found["formula"]), names)
    return None


def _load(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_compact(response: str) -> Answer | None:
    """`[cards :] values : working : formula = target`; the working is the policy's own affair."""
    before, colon, formula = response[-TAIL:].rpartition(":")
    seen = before.partition(":")[0]
    return Answer(_left_side(formula), tuple(seen.split())) if colon else None


def _left_side(equation: str) -> str:
    return equation.partition("=")[0].strip()
