"""The two forms of answer: what is read from a response, and how a good one is written."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PromptForm = Literal["paper", "compact"]

TAIL = 16_384
"""Characters of a response that are searched, from its end. A longer one may think aloud first."""
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The left side of the equation, and the cards as the answer names them."""

    formula: str
    cards: tuple[str, ...] = ()


def parse(response: str, form: PromptForm) -> Answer | None:
    """The answer in a response, or None for a malformed one."""
    return _parse_paper(response) if form == "paper" else _parse_compact(response)


def compose(form: PromptForm, cards: Sequence[str], values: Sequence[int], formula: str, target: int) -> str:
    """A well-formed answer. `formula` has its tokens apart by spaces."""
    if form == "compact":
        return f"{' '.join(map(str, values))} : {formula} = {target}"
    equation = f"{formula.replace(' ', '')}={target}"
    return json.dumps({"cards": list(cards), "number": list(values), "formula": equation})


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
    """`values : formula = target`."""
    values, colon, formula = response[-TAIL:].rpartition(":")
    return Answer(_left_side(formula), tuple(values.split())) if colon else None


def _left_side(equation: str) -> str:
    return equation.partition("=")[0].strip()
