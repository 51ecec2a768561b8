"""A verifier object here and now; and the same in a child process, spoken to in bytes.

A plugin's verdict is not trusted: what has the wrong type, is not finite or too long raises `Nonsense`.
A child imports this module and what the plugin itself needs, so it stays small.
"""

import importlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from farfield_kernel.worker import Nonsense
from farfield_sdk import Attempt, Options, Verdict, Verifier

IN_CHILD = "farfield_verifier.inline:in_child"
_NUMBERS = (int, float)
LONGEST_TERM = 256
"""Bytes of a term's name."""
MOST_TERMS = 64


def checked(given: Any, max_feedback_bytes: int) -> Verdict:
    """The verdict, if it is one."""
    if isinstance(given, Nonsense):
        raise given
    if not isinstance(given, Verdict):
        raise Nonsense(f"answered {type(given).__name__} where Verdict is asked for")
    if not _finite(given.reward):
        raise Nonsense(f"the reward is {given.reward!r}: it must be a finite number")
    if not isinstance(given.correct, bool) or not isinstance(given.parseable, bool):
        raise Nonsense(f"correct is {given.correct!r} and parseable {given.parseable!r}: both must be bool")
    if not _text(given.feedback, max_feedback_bytes):
        raise Nonsense(f"the feedback is no text of at most {max_feedback_bytes} bytes")
    terms = dict(given.terms)
    if len(terms) > MOST_TERMS:
        raise Nonsense(f"{len(terms)} terms; at most {MOST_TERMS} are taken")
    for name, value in terms.items():
        if not _text(name, LONGEST_TERM) or not _finite(value):
            raise Nonsense(f"the term {name!r} is {value!r}: terms are finite numbers by name")
    return given


def each_checked(given: Any, max_feedback_bytes: int) -> list[Verdict | Nonsense]:
    """The answer to several attempts: where one has no verdict, the reason stands in its place."""
    if not isinstance(given, list | tuple):
        raise Nonsense(f"answered {type(given).__name__} where a list of verdicts is asked for")
    return [_one_checked(one, max_feedback_bytes) for one in given]


def _one_checked(given: Any, max_feedback_bytes: int) -> Verdict | Nonsense:
    try:
        return checked(given, max_feedback_bytes)
    except Nonsense as error:
        return error


def _text(value: Any, most: int) -> bool:
    """Text that can be sent: lone surrogates cannot."""
    try:
        return len(value.encode()) <= most
    except (AttributeError, UnicodeEncodeError):
        return False


def _finite(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool) and math.isfinite(value)


class Inline:
    """A verifier object whose verdicts are checked."""

    inline = True

    def __init__(self, cls: type[Verifier], options: Options, max_feedback_bytes: int) -> None:
        self._verifier, self._max_feedback_bytes = cls(options), max_feedback_bytes

    def verify(self, attempt: Attempt) -> Verdict:
        return checked(self._verifier.verify(attempt), self._max_feedback_bytes)

    def ask_many(
        self, method: str, attempts: Sequence[Attempt], timeout: float = math.inf
    ) -> list[Verdict | Nonsense]:
        """`method` is `verify_batch` or `verify_group`. Here nothing can be stopped."""
        return each_checked(getattr(self._verifier, method)(attempts), self._max_feedback_bytes)


def in_child(argument: bytes) -> "Child":
    module, name, given, max_feedback_bytes = json.loads(argument)
    cls = getattr(importlib.import_module(module), name)
    return Child(Inline(cls, cls.Options.model_validate(given), max_feedback_bytes))


class Child:
    """In the child: a judge whose argument and answer are JSON."""

    def __init__(self, judge: Inline) -> None:
        self._judge = judge

    def verify(self, sent: bytes) -> bytes:
        return packed(self._judge.verify(Attempt(**json.loads(sent))))

    def verify_batch(self, sent: bytes) -> bytes:
        return self._many("verify_batch", sent)

    def verify_group(self, sent: bytes) -> bytes:
        return self._many("verify_group", sent)

    def _many(self, method: str, sent: bytes) -> bytes:
        given = self._judge.ask_many(method, [Attempt(**one) for one in json.loads(sent)])
        return json.dumps([str(one) if isinstance(one, Nonsense) else asdict(one) for one in given]).encode()


def packed(value: Attempt | Verdict) -> bytes:
    return json.dumps(asdict(value)).encode()


def unpacked(answer: bytes) -> list[Any]:
    """What a child answered to several attempts. Its verdicts have to be checked still."""
    return [Nonsense(one) if isinstance(one, str) else Verdict(**one) for one in json.loads(answer)]
