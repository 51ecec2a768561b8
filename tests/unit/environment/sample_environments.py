"""Small environments for tests: one that behaves, on every executor, and one for every way to misbehave."""

import asyncio
import ctypes
import os
import threading
import time
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from farfield_sdk import (
    BatchedEnvironment,
    Demonstration,
    Environment,
    Image,
    Observation,
    Options,
    Outcome,
    Sample,
    Start,
    State,
    Variant,
    assistant,
    user,
)


class CountingOptions(Options):
    goal: int = Field(3, ge=1, description="The number that ends the episode.")
    max_turns: int = 5
    label: str = ""

    @field_validator("label")
    @classmethod
    def _may_break(cls, label: str) -> str:
        if label == "break":
            raise RuntimeError("the validator broke")
        return label


class Counting(Environment[CountingOptions]):
    """Say the goal to win.

    Every other answer is shown again.
    """

    name = "counting"
    version = "1.2.0"
    Options = CountingOptions
    executor = "inline"
    variants: ClassVar = {
        "id": Variant("id", "Up to three.", {"goal": 3}),
        "ood": Variant("ood", "Up to seven.", {"goal": 7, "max_turns": 9}),
    }
    demonstration_styles = ("plain",)

    def reset(self, seed: int) -> Start:
        self.steps = 0
        first = Observation((user(f"seed {seed}: say {self.options.goal}"),))
        return Start(first, {"goal": self.options.goal, "seed": seed})

    def step(self, response: str) -> Outcome:
        self.steps += 1
        if response == str(self.options.goal):
            return Outcome(State.TERMINATED, success=True, metrics={"steps": self.steps})
        state = State.TRUNCATED if self.steps >= self.options.max_turns else State.CONTINUE
        facts = {"last": response[:20]} if response.startswith("note") else None
        return Outcome(state, observation=Observation((user(f"not {response[:20]}"),)), facts=facts)

    @classmethod
    def demonstrate(cls, options: CountingOptions, seed: int, style: str) -> Iterator[Demonstration]:
        yield Demonstration(Sample((user(f"seed {seed}"), assistant(str(options.goal)))))


class CountingThread(Counting):
    name = "counting-thread"
    executor = "thread"


class CountingProcess(Counting):
    name = "counting-process"
    executor = "process"


class CountingAsync(Counting):
    name = "counting-async"
    executor = "async"

    async def reset(self, seed: int) -> Start:
        await asyncio.sleep(0)
        return super().reset(seed)

    async def step(self, response: str) -> Outcome:
        await asyncio.sleep(0)
        return super().step(response)


class CountingBatch(BatchedEnvironment[CountingOptions]):
    """`counting` for several sessions in one object."""

    name = "counting-batch"
    version = "1.2.0"
    Options = CountingOptions
    executor = "inline"
    slots = 8

    def __init__(self, options: CountingOptions) -> None:
        super().__init__(options)
        self.games = [Counting(options) for _ in range(self.slots)]

    def reset_many(self, slots: Sequence[int], seeds: Sequence[int]) -> Sequence[Start]:
        if self.options.label == "reset":
            raise ValueError("no start today")
        return [self.games[slot].reset(seed) for slot, seed in zip(slots, seeds, strict=True)]

    def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        if "short answer" in responses:
            return []
        together = [self._step(slot, response) for slot, response in zip(slots, responses, strict=True)]
        return None if "no answer" in responses else together  # type: ignore[return-value]

    def _step(self, slot: int, response: str) -> Outcome:
        return FAULTS.get(response, self.games[slot].step)(response)


class CountingBatchThread(CountingBatch):
    name = "counting-batch-thread"
    executor = "thread"


class CountingBatchProcess(CountingBatch):
    name = "counting-batch-process"
    executor = "process"


class CountingBatchAsync(CountingBatch):
    name = "counting-batch-async"
    executor = "async"

    async def reset_many(self, slots: Sequence[int], seeds: Sequence[int]) -> Sequence[Start]:
        await asyncio.sleep(0)
        return super().reset_many(slots, seeds)

    async def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        await asyncio.sleep(0)
        return super().step_many(slots, responses)


class Gated(Counting):
    """A thread whose steps wait until the test opens the gate; it counts them."""

    name = "gated"
    executor = "thread"
    gate = threading.Event()
    arrived = threading.Event()
    taken: ClassVar[list[str]] = []

    @classmethod
    def shut(cls) -> None:
        cls.gate.clear()
        cls.arrived.clear()
        cls.taken.clear()

    def step(self, response: str) -> Outcome:
        self.taken.append(response)
        self.arrived.set()
        assert self.gate.wait(20)
        return super().step(response)


class Pictures(Counting):
    """Shows an image at the start and after each step."""

    name = "pictures"
    modalities = frozenset({"text", "image"})

    def reset(self, seed: int) -> Start:
        super().reset(seed)
        return Start(Observation((user("look", Image(picture(f"start {seed}"))),)), {})

    def step(self, response: str) -> Outcome:
        outcome = super().step(response)
        return Outcome(outcome.state, observation=Observation((user(Image(picture(response))),)))


class GatedPictures(Gated, Pictures):
    name = "gated-pictures"


def picture(text: str) -> bytes:
    return b"\x89PNG" + text.encode()


class Faulty(Counting):
    """Does what the response says."""

    name = "faulty"

    def reset(self, seed: int) -> Start:
        if self.options.label == "reset":
            raise ValueError("no start today")
        return super().reset(seed)

    def step(self, response: str) -> Outcome:
        return FAULTS.get(response, super().step)(response)


class FaultyProcess(Faulty):
    name = "faulty-process"
    executor = "process"


class FaultyThread(Faulty):
    name = "faulty-thread"
    executor = "thread"


class FaultyAsync(Faulty):
    name = "faulty-async"
    executor = "async"

    async def reset(self, seed: int) -> Start:
        return super().reset(seed)

    async def step(self, response: str) -> Outcome:
        return super().step(response)


class Clocked(Counting):
    """Its steps take as long as the responses say, on a clock that the tests read too."""

    name = "clocked"
    now: ClassVar[float] = 0.0

    def step(self, response: str) -> Outcome:
        Clocked.now += float(response)
        return super().step(response)


class Suit(Enum):
    HEARTS = "hearts"
    SPADES = "spades"


class Deck(Options):
    suits: tuple[Suit, ...] = (Suit.HEARTS, Suit.SPADES)
    """Which suits are dealt."""
    size: int = Field(52, ge=1)


class FixedDeal(Options):
    kind: Literal["fixed"] = "fixed"
    cards: list[int] = Field(default=[1, 2, 3])


class RandomDeal(Options):
    kind: Literal["random"] = "random"
    low: int = 1


class NestedOptions(Options):
    deck: Deck = Deck()
    spare: list[Deck] = Field(default=[])
    deal: FixedDeal | RandomDeal = Field(RandomDeal(), discriminator="kind")
    rule: Literal["ten", "rank"] | Deck = "ten"
    weights: dict[str, float] = Field(default={})
    chosen: frozenset[Suit] = frozenset()
    best: int = Field(3, alias="the-best")


class Nested(Environment[NestedOptions]):
    """Shows its options as facts."""

    name = "nested"
    version = "1.0.0"
    Options = NestedOptions
    variants: ClassVar = {
        "short": Variant("id", "A short deck.", {"deck": Deck(suits=(Suit.SPADES,), size=13)}),
    }

    def reset(self, seed: int) -> Start:
        return Start(Observation((user("go"),)), {"options": self.options.model_dump(mode="json")})


class Drifting(Counting):
    """Its dynamics changed although its version did not: it counts the objects made of it."""

    name = "drifting"
    made = 0

    def reset(self, seed: int) -> Start:
        Drifting.made += 1
        return super().reset(seed)

    def step(self, response: str) -> Outcome:
        outcome = super().step(response)
        return Outcome(outcome.state, observation=Observation((user(f"life {self.made}"),)))


def _raise(response: str) -> Any:
    raise KeyError("lost\nit")


def _exit(response: str) -> Any:
    raise SystemExit(3)


def _die(response: str) -> Any:
    os._exit(7)


def _segfault(response: str) -> Any:
    ctypes.string_at(0)


def _leak(response: str) -> Any:
    """Takes 200 MiB, and never gives it back."""
    LEAKED.append(b"x" * (200 * 1024 * 1024))
    time.sleep(3600)


LEAKED: list[bytes] = []


def _hang(response: str) -> Any:
    time.sleep(3600)


def _deep(response: str) -> Any:
    facts: dict[str, Any] = {}
    for _ in range(100_000):
        facts = {"deeper": facts}
    return Outcome(State.CONTINUE, facts=facts)


GOOD = State.CONTINUE
FAULTS: dict[str, Any] = {
    "raise": _raise,
    "exit": _exit,
    "die": _die,
    "segfault": _segfault,
    "leak": _leak,
    "hang": _hang,
    "deep facts": _deep,
    "none": lambda _: None,
    "start": lambda _: Start(Observation()),
    "bad state": lambda _: Outcome("continue"),
    "bad success": lambda _: Outcome(GOOD, success="yes"),
    "bad facts": lambda _: Outcome(GOOD, facts={"x": object()}),
    "facts list": lambda _: Outcome(GOOD, facts=[1]),
    "nan facts": lambda _: Outcome(GOOD, facts={"x": float("nan")}),
    "big facts": lambda _: Outcome(GOOD, facts={"x": "y" * 2_000_000}),
    "surrogate facts": lambda _: Outcome(GOOD, facts={"x": "\ud800"}),
    "bad metrics": lambda _: Outcome(GOOD, metrics={"x": float("inf")}),
    "many metrics": lambda _: Outcome(GOOD, metrics={f"x{number}": 1.0 for number in range(65)}),
    "text metrics": lambda _: Outcome(GOOD, metrics={"x": "fast"}),
    "bad observation": lambda _: Outcome(GOOD, observation="hello"),
    "bad message": lambda _: Outcome(GOOD, observation=Observation(("hello",))),
    "surrogate text": lambda _: Outcome(GOOD, observation=Observation((user("\ud800"),))),
    "undeclared image": lambda _: Outcome(GOOD, observation=Observation((user(Image(b"x")),))),
    "huge observation": lambda _: Outcome(GOOD, observation=Observation((user("x" * 100_001),))),
}
NONSENSE = sorted(set(FAULTS) - {"raise", "exit", "die", "segfault", "leak", "hang"})
