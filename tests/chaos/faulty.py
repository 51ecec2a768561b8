"""The card game and its verifier, which fail on order: the plugins of `failures.py`.

Orders are a file, so that the same services play an undisturbed run and a disturbed one. An order names the
environment seed of an episode, the turn, the fault, and how often it comes; the plugin notes each fault as it
commits it, one byte in a file of the seed's.
"""

import json
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from farfield_generalpoints.environment import GeneralPoints
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_generalpoints.verifier import GeneralPointsVerifier
from farfield_sdk import Attempt, Observation, Outcome, Start, Verdict, user

NAME = "faulty"
VARIABLE = "CHAOS_ORDERS"
"""Names the folder of the orders."""
HELD_MIB = 250
"""What a plugin that takes too much memory takes."""
LONG_BYTES = 200_000
"""Of an observation that is too large."""
LOST_SECONDS = 3.0
"""How long the judge of an episode waits whose session is to be lost meanwhile."""
ENTRY_POINTS = """[farfield.environments]
faulty = tests.chaos.faulty:FaultyGame
[farfield.verifiers]
faulty = tests.chaos.faulty:FaultyJudge
"""


@dataclass(frozen=True, slots=True)
class Order:
    """`fault` for the episodes of `seed` at `turn`; -1 is its reset. It comes `times` times, then no more."""

    seed: int
    turn: int
    fault: str
    times: int


class Orders:
    """The orders in a folder, and what has been done of them."""

    def __init__(self, folder: Path) -> None:
        self._file, self._done = folder / "orders.json", folder / "done"
        self._done.mkdir(parents=True, exist_ok=True)

    def give(self, orders: Sequence[Order]) -> None:
        """Takes the place of those given before; what was done is forgotten."""
        for path in self._done.iterdir():
            path.unlink()
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps({str(one.seed): asdict(one) for one in orders}))
        written.replace(self._file)

    def due(self, seed: int, turn: int, faults: Mapping[str, Any]) -> str | None:
        """The fault that is due here, one of `faults`; it counts as done."""
        order = self._of(seed)
        if order is None or order.turn != turn or order.fault not in faults or self.done(seed) >= order.times:
            return None
        with (self._done / str(seed)).open("ab") as file:
            file.write(b".")
        return order.fault

    def is_for(self, seed: int, fault: str) -> bool:
        order = self._of(seed)
        return order is not None and order.fault == fault

    def _of(self, seed: int) -> Order | None:
        if not self._file.exists():
            return None
        order = json.loads(self._file.read_text()).get(str(seed))
        return Order(**order) if order else None

    def done(self, seed: int) -> int:
        path = self._done / str(seed)
        return path.stat().st_size if path.exists() else 0


def _raise(*_: Any) -> NoReturn:
    raise RuntimeError("ordered to fail")


def _hang(*_: Any) -> NoReturn:
    while True:
        time.sleep(1)


def _crash(*_: Any) -> NoReturn:
    os._exit(3)


def _hoard(*_: Any) -> NoReturn:
    hoard = [os.urandom(1) * 2**20 for _ in range(HELD_MIB)]
    while hoard:
        time.sleep(1)
    raise AssertionError


def _too_long(given: Outcome) -> Outcome:
    return Outcome(given.state, given.success, Observation((user("x" * LONG_BYTES),)))


def _not_finite(given: Outcome) -> Outcome:
    return Outcome(given.state, given.success, given.observation, metrics={"odd": math.nan})


def _never_the_same(given: Outcome) -> Outcome:
    return Outcome(given.state, given.success, Observation((user(secrets.token_hex(8)),)))


AT_RESET: dict[str, Callable[..., Any]] = {"environment raises in reset": _raise}
AT_STEP: dict[str, Callable[..., Any]] = {
    "environment raises in step": _raise,
    "environment hangs": _hang,
    "environment crashes": _crash,
    "environment takes too much memory": _hoard,
    "environment answers too much": _too_long,
    "environment's metric is not finite": _not_finite,
}
AT_VERDICT: dict[str, Callable[..., Any]] = {
    "verifier raises": _raise,
    "verifier hangs": _hang,
    "verifier crashes": _crash,
    "verifier takes too much memory": _hoard,
    "reward is NaN": lambda given: Verdict(math.nan, given.correct),
    "reward is infinite": lambda given: Verdict(math.inf, given.correct),
    "verdict is no verdict": lambda given: given.reward,
}
REPLAYS_OTHERWISE = "session lost, and the game replays to another history"
SESSION_LOST = "session lost"
LOST: dict[str, Callable[..., Any]] = {
    SESSION_LOST: lambda given: given,
    REPLAYS_OTHERWISE: lambda given: given,
}
"""The judge waits, and whoever gave the order closes the session meanwhile."""


def _orders() -> Orders:
    return Orders(Path(os.environ[VARIABLE]))


class FaultyGame(GeneralPoints):
    name = NAME
    executor = "process"
    Options = GeneralPointsOptions
    variants: ClassVar = {"id": GeneralPoints.variants["id"]}

    def reset(self, seed: int) -> Start:
        self._seed, self._turn, self._orders = seed, 0, _orders()
        if fault := self._orders.due(seed, -1, AT_RESET):
            AT_RESET[fault]()
        start = super().reset(seed)
        return Start(start.observation, {**start.facts, "seed": seed})

    def step(self, response: str) -> Outcome:
        turn, self._turn = self._turn, self._turn + 1
        fault = self._orders.due(self._seed, turn, AT_STEP)
        outcome = super().step(response)
        if self._orders.is_for(self._seed, REPLAYS_OTHERWISE):
            return _never_the_same(outcome)
        return AT_STEP[fault](outcome) if fault else outcome


class FaultyJudge(GeneralPointsVerifier):
    name = NAME
    executor = "process"

    def verify(self, attempt: Attempt) -> Verdict:
        orders, seed = _orders(), attempt.facts["seed"]
        fault = orders.due(seed, attempt.turn, AT_VERDICT | LOST)
        if fault in LOST:
            time.sleep(LOST_SECONDS)
        verdict = super().verify(attempt)
        return (AT_VERDICT | LOST)[fault](verdict) if fault else verdict


def install(folder: Path) -> dict[str, str]:
    """Variables under which processes find the plugins: a distribution that is not installed but lies on
    their path."""
    info = folder / "faulty-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[2])])}
