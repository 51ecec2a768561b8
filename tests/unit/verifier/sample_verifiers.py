"""Small verifiers for tests: one that behaves, on every executor, and one for every way to misbehave."""

import asyncio
import ctypes
import os
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from farfield_sdk import Attempt, Options, Verdict, Verifier


class MatchOptions(Options):
    value: float = 1.0
    """Reward of a match."""


class Match(Verifier[MatchOptions]):
    """Is the response what the facts ask for?"""

    name = "match"
    version = "2.0.0"
    Options = MatchOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        correct = attempt.response == attempt.facts["answer"]
        value = self.options.value if correct else 0.0
        feedback = "" if correct else f"turn {attempt.turn}, {attempt.state}: not {attempt.response[:10]}"
        return Verdict(value, correct, feedback, {"match": value}, parseable=bool(attempt.response))


class MatchThread(Match):
    name = "match-thread"
    executor = "thread"


class MatchProcess(Match):
    name = "match-process"
    executor = "process"


class MatchAsync(Match):
    name = "match-async"
    executor = "async"

    async def verify(self, attempt: Attempt) -> Verdict:
        await asyncio.sleep(0)
        return super().verify(attempt)


class Short(Verifier[Options]):
    """Shorter is better; always content."""

    name = "short"
    version = "1.0.0"
    Options = Options
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        return Verdict(-float(len(attempt.response)), True, terms={"length": len(attempt.response)})


class Faulty(Match):
    """Does what the response says."""

    name = "faulty"

    def verify(self, attempt: Attempt) -> Verdict:
        return FAULTS.get(attempt.response, super().verify)(attempt)


class FaultyProcess(Faulty):
    name = "faulty-process"
    executor = "process"


class FaultyThread(Faulty):
    name = "faulty-thread"
    executor = "thread"


class FaultyAsync(Faulty):
    name = "faulty-async"
    executor = "async"

    async def verify(self, attempt: Attempt) -> Verdict:
        return super().verify(attempt)


class MatchBatch(Verifier[MatchOptions]):
    """Judges what comes together in one go; its term says how many came."""

    name = "match-batch"
    version = "1.0.0"
    Options = MatchOptions
    executor = "inline"
    max_batch = 8

    def verify_batch(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        responses = [attempt.response for attempt in attempts]
        if "short answer" in responses:
            return []
        if "no answer" in responses:
            return None  # type: ignore[return-value]
        return [self._judge(attempt, len(attempts)) for attempt in attempts]

    def _judge(self, attempt: Attempt, count: int) -> Any:
        if attempt.response in FAULTS:
            return FAULTS[attempt.response](attempt)
        correct = attempt.response == attempt.facts["answer"]
        return Verdict(float(correct), correct, terms={"batch": count})


class MatchBatchThread(MatchBatch):
    name = "match-batch-thread"
    executor = "thread"


class MatchBatchProcess(MatchBatch):
    name = "match-batch-process"
    executor = "process"


class MatchBatchAsync(MatchBatch):
    name = "match-batch-async"
    executor = "async"

    async def verify_batch(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        return super().verify_batch(attempts)


class Longest(Verifier[Options]):
    """Of a group the longest response wins; its terms say how many were compared."""

    name = "longest"
    version = "1.0.0"
    Options = Options
    executor = "inline"

    def verify_group(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        responses = [attempt.response for attempt in attempts]
        if "one too many" in responses:
            return [Verdict(0.0, False)] * (len(responses) + 1)
        longest = max(map(len, responses))
        return [
            FAULTS[one.response](one)
            if one.response in FAULTS
            else Verdict(float(len(one.response) == longest), True, terms={"members": len(attempts)})
            for one in attempts
        ]


class LongestThread(Longest):
    name = "longest-thread"
    executor = "thread"


class LongestProcess(Longest):
    name = "longest-process"
    executor = "process"


class LongestAsync(Longest):
    name = "longest-async"
    executor = "async"

    async def verify_group(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        return super().verify_group(attempts)


class Unwritten(Verifier[Options]):
    name = "unwritten"
    version = "1.0.0"
    Options = Options


class Clocked(Match):
    """Takes as long as its response says, on a clock that the tests read too."""

    name = "clocked"
    now: ClassVar[float] = 0.0

    def verify(self, attempt: Attempt) -> Verdict:
        Clocked.now += float(attempt.response)
        return Verdict(1.0, True)


class Unmakeable(Match):
    name = "unmakeable"

    def __init__(self, options: MatchOptions) -> None:
        raise OSError("no judge model here")


def _raise(attempt: Attempt) -> Any:
    raise KeyError("lost")


def _raise_surrogate(attempt: Attempt) -> Any:
    raise ValueError("\ud800" * 100_000)


def _exit(attempt: Attempt) -> Any:
    raise SystemExit(3)


def _die(attempt: Attempt) -> Any:
    os._exit(7)


def _segfault(attempt: Attempt) -> Any:
    ctypes.string_at(0)


def _leak(attempt: Attempt) -> Any:
    """Takes 200 MiB, and never gives it back."""
    LEAKED.append(b"x" * (200 * 1024 * 1024))
    time.sleep(3600)


LEAKED: list[bytes] = []


def _hang(attempt: Attempt) -> Any:
    time.sleep(3600)


FAULTS: dict[str, Any] = {
    "raise": _raise,
    "raise surrogate": _raise_surrogate,
    "exit": _exit,
    "die": _die,
    "segfault": _segfault,
    "leak": _leak,
    "hang": _hang,
    "nan": lambda _: Verdict(float("nan"), True),
    "inf": lambda _: Verdict(float("inf"), True),
    "none": lambda _: None,
    "number": lambda _: 1.0,
    "text reward": lambda _: Verdict("1", True),
    "bool reward": lambda _: Verdict(True, True),
    "text correct": lambda _: Verdict(1.0, "yes"),
    "none parseable": lambda _: Verdict(1.0, True, parseable=None),
    "bad feedback": lambda _: Verdict(1.0, True, feedback=None),
    "long feedback": lambda _: Verdict(1.0, True, feedback="x" * 70_000),
    "surrogate feedback": lambda _: Verdict(1.0, True, feedback="\ud800"),
    "nan term": lambda _: Verdict(1.0, True, terms={"x": float("nan")}),
    "bad term": lambda _: Verdict(1.0, True, terms={1: 1.0}),
    "surrogate term": lambda _: Verdict(1.0, True, terms={"\ud800": 1.0}),
    "bad terms": lambda _: Verdict(1.0, True, terms=7),
    "many terms": lambda _: Verdict(1.0, True, terms={f"x{number}": 1.0 for number in range(65)}),
    "huge number": lambda _: Verdict(10**400, True),
}
BROKEN = sorted(set(FAULTS) - {"die", "segfault", "leak", "hang"})
