"""The two forms of answer: what is read from a response, and how a good one is written."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from farfield_generalpoints.formula import Reading, Step, read, steps

PromptForm = Literal["paper", "compact"]

_WORDS = range(100)
"""Numbers that the compact form writes."""
TAIL = 16_384
"""Characters of a response that are searched, from its end. A longer one may think aloud first."""
_NUMBER = re.compile(r"[0-9]{1,4}")
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Answer:
    """The left side of the equation, and what the answer names: the cards, in the compact form only where
    they were shown as an image, and what each of them counts. Empty where it names none."""

    formula: str
    cards: tuple[str, ...] = ()
    values: tuple[int, ...] = ()

    @cached_property
    def reading(self) -> Reading:
        """What the formula says: read once, though it is judged by the true values and by those named."""
        return read(self.formula)


def parse(response: str, form: PromptForm, image: bool = False) -> Answer | None:
    """The answer in a response, or None for a malformed one. `image`: the cards were shown as one."""
    return _parse_paper(response) if form == "paper" else _parse_compact(response, image)


def compose(
    form: PromptForm,
    cards: Sequence[str],
    values: Sequence[int],
    formula: str,
    target: int,
    image: bool = False,
    worked: bool | None = None,
) -> str:
    """A well-formed answer. `formula` has its tokens apart by spaces. Of an image, the compact form names
    the cards first. `worked`: with the working written before the formula, or without; None: with it in
    the compact form, without in the paper's."""
    if form == "compact":
        seen = [cards] if image else []
        between = [] if worked is False else working(values, formula)
        lines = [" ".join(map(str, words)) for words in (*seen, values, *between)]
        return f"{' : '.join(lines)} : {formula} = {target}"
    equation = f"{formula.replace(' ', '')}={target}"
    answer = json.dumps({"cards": list(cards), "number": list(values), "formula": equation})
    return f"{_thought(cards, values, formula)}\n{answer}" if worked else answer


def _thought(cards: Sequence[str], values: Sequence[int], formula: str) -> str:
    """What each card counts, then the operations one to a line: `13 / 13 = 1`, `9 - 1 = 8`, …"""
    counts = ", ".join(f"{card} counts {value}" for card, value in zip(cards, values, strict=True))
    return "\n".join([f"{counts}.", *map(_line, steps(formula))])


def _line(step: Step) -> str:
    left, right = (
        str(operand) if operand.denominator == 1 and operand >= 0 else f"({operand})"
        for operand in (step.left, step.right)
    )
    return f"{left} {step.operator} {right} = {step.result}"


def working(values: Sequence[int], formula: str) -> list[list[int]]:
    """The numbers that are left after each operation but the last: untouched ones first, the result
    at the end. Nothing where a number would not be one word of the compact form.

    For 3, 13, 9, 13 and `3 * ( 9 - 13 / 13 )`: [3, 9, 1], then [3, 8].
    """
    left: list[Fraction] = [Fraction(value) for value in values]
    found: list[list[int]] = []
    for left_operand, _, right_operand, result in steps(formula)[:-1]:
        operands = left_operand, right_operand
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
            return Answer(_left_side(found["formula"]), names, _values(found.get("number")))
    return None


def _load(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_compact(response: str, image: bool) -> Answer | None:
    """`[cards :] values : working : formula = target`; the working is the policy's own affair."""
    before, colon, formula = response[-TAIL:].rpartition(":")
    if not colon:
        return None
    seen, _, rest = before.partition(":") if image else ("", "", before)
    values = rest.partition(":")[0]
    return Answer(_left_side(formula), tuple(seen.split()), _values(values.split()))


def _values(named: object) -> tuple[int, ...]:
    """Numbers of a list, in digits or as text; nothing where something else is among them."""
    words = list(map(str, named)) if isinstance(named, list) else []
    return tuple(map(int, words)) if all(map(_NUMBER.fullmatch, words)) else ()


def _left_side(equation: str) -> str:
    return equation.partition("=")[0].strip()
