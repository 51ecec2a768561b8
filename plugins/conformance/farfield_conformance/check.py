"""One check: a function with a docstring that says what an author guarantees and, after an empty line, what
to do where it fails."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """From the description to the load; a plugin climbs them in this order."""

    STATIC = "static"
    """What it says of itself."""
    API = "api"
    """What it answers to whatever a policy writes."""
    WIRE = "wire"
    """Codes, turns, leases, batches and streams, as the contract has them."""
    SEMANTICS = "semantics"
    """That episodes repeat, can be won, and cannot be won by noise."""
    LOAD = "load"
    """Many sessions at once."""


class Failed(Exception):
    """What came instead of what was expected."""


class Skipped(Exception):
    """Why a check says nothing of this plugin."""


def expect(holds: bool, came: str) -> None:
    """`came` says what was found instead; it is the report's."""
    if not holds:
        raise Failed(came)


@dataclass(frozen=True, slots=True)
class Check:
    """`run` gets the subject, returns a remark or nothing, and raises Failed or Skipped."""

    name: str
    level: Level
    kind: str
    """What it is of: "environment" or "verifier"."""
    expected: str
    cure: str
    run: Callable[[Any], str | None]

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.level}/{self.name}"


def environment_check(level: Level) -> Callable[[Callable[[Any], str | None]], Check]:
    """Makes a check of a function over an `EnvironmentSubject`."""
    return lambda function: _made(function, level, "environment")


def verifier_check(level: Level) -> Callable[[Callable[[Any], str | None]], Check]:
    """Makes a check of a function over a `VerifierSubject`."""
    return lambda function: _made(function, level, "verifier")


def _made(function: Callable[[Any], str | None], level: Level, kind: str) -> Check:
    expected, _, cure = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    if not expected or not cure:
        raise TypeError(
            f"{function.__name__}: its docstring says what is guaranteed and, after an empty line, what to do"
        )
    name = function.__name__.strip("_").replace("_", "-")
    return Check(name, level, kind, _line(expected), _line(cure), function)


def _line(text: str) -> str:
    return " ".join(text.split())
