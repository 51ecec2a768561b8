"""Reads a formula: tokens, faults of syntax, and the exact value. Never `eval`.

Anything may come in, since a policy wrote it. Length and digits are bounded, the parser keeps its own
stacks instead of recursing, and values are rationals over at most a few hundred digits.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

MAX_CHARACTERS = 256
MAX_DIGITS = 9

_WORD = re.compile(r"[0-9]+|[-+*/()]")
_LEGAL = re.compile(r"[-+*/()0-9 \t]*\Z", re.ASCII)
_PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2}
_MAY_FOLLOW = {
    "start": ("number", "("),
    "(": ("number", "("),
    "operator": ("number", "("),
    "number": ("operator", ")"),
    ")": ("operator", ")"),
}


class Step(NamedTuple):
    """One operation of a formula."""

    left: Fraction
    operator: str
    right: Fraction
    result: Fraction


@dataclass(frozen=True, slots=True)
class Reading:
    """What a formula says."""

    legal: bool
    """False: a character that has no place in a formula, or too long; nothing else was read."""
    numbers: tuple[int, ...] = ()
    syntax_faults: int = 0
    """Tokens that cannot follow the one before, and `)` without a `(`."""
    unfinished: bool = False
    """Well formed so far, but it ends inside parentheses or before an operand."""
    value: Fraction | None = None
    """Of the finished formula, or with open parentheses closed; None where there is no value:
    faults, a missing operand, a division by zero."""


def read(formula: str) -> Reading:
    """Read the left side of an equation."""
    if len(formula) > MAX_CHARACTERS or not _LEGAL.match(formula):
        return Reading(legal=False)
    words = _WORD.findall(formula)
    if any(len(word) > MAX_DIGITS for word in words):
        return Reading(legal=False)
    numbers = tuple(int(word) for word in words if word.isdigit())
    faults, depth = _syntax(words)
    if faults:
        return Reading(True, numbers, faults)
    if not words or _kind(words[-1]) in ("operator", "("):
        return Reading(True, numbers, unfinished=True)
    return Reading(True, numbers, unfinished=depth > 0, value=_evaluate(words + [")"] * depth))


def steps(formula: str) -> list[Step]:
    """The operations of a well-formed formula in the order they are carried out; none where one of
    them divides by zero."""
    try:
        return _reduce(_WORD.findall(formula))[1]
    except ZeroDivisionError:
        return []


def _kind(word: str) -> str:
    if word in "()":
        return word
    return "number" if word.isdigit() else "operator"


def _syntax(words: list[str]) -> tuple[int, int]:
    """Faults, and how many parentheses stay open."""
    faults = depth = 0
    before = "start"
    for kind in map(_kind, words):
        faults += kind not in _MAY_FOLLOW[before]
        depth += (kind == "(") - (kind == ")")
        if depth < 0:
            faults, depth = faults + 1, 0
        before = kind
    return faults, depth


def _evaluate(words: list[str]) -> Fraction | None:
    try:
        return _reduce(words)[0]
    except ZeroDivisionError:
        return None


def _reduce(words: list[str]) -> tuple[Fraction, list[Step]]:
    """Value of a well-formed formula, by two stacks, and every operation on the way."""
    values: list[Fraction] = []
    pending: list[str] = []
    steps: list[Step] = []
    for word in ["(", *words, ")"]:
        if word.isdigit():
            values.append(Fraction(int(word)))
        elif word == "(":
            pending.append(word)
        else:
            _settle(values, pending, 0 if word == ")" else _PRECEDENCE[word], steps)
            pending.pop() if word == ")" else pending.append(word)
    return values[0], steps


def _settle(values: list[Fraction], pending: list[str], precedence: int, steps: list[Step]) -> None:
    """Apply pending operators that bind at least as tightly, back to the open parenthesis."""
    while pending[-1] != "(" and _PRECEDENCE[pending[-1]] >= precedence:
        right, left = values.pop(), values.pop()
        operator = pending.pop()
        values.append(_apply(operator, left, right))
        steps.append(Step(left, operator, right, values[-1]))


def _apply(operator: str, left: Fraction, right: Fraction) -> Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right
