"""The environments of these benchmarks, the same objects behind every server, and what players say to them.

Peers import this module as well: it needs the SDK and GeneralPoints alone.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from farfield_generalpoints import GeneralPoints
from farfield_sdk import (
    BatchedEnvironment,
    Environment,
    Image,
    Observation,
    Options,
    Outcome,
    Start,
    State,
    user,
)

IMAGE_BYTES = 60 * 1024
RESPONSE = "11 7 9 12 : ( 11 - 7 ) * 9 - 12 = 24"
OPTIONS: dict[str, dict[str, Any]] = {"generalpoints": {"prompt": "compact"}}
"""By environment; none for the others."""
EPISODE = {"generalpoints": 5, "picture": 10}
"""Steps of an episode: the game ends by itself, the others are begun anew."""
LONG = 50
"""Those of all others."""


class Echo(Environment[Options]):
    """Answers with a short text, for ever."""

    name = "echo"
    version = "1.0.0"
    Options = Options
    executor = "inline"

    def reset(self, seed: int) -> Start:
        return Start(Observation((user(f"episode {seed}"),)), {"seed": seed})

    def step(self, response: str) -> Outcome:
        return Outcome(State.CONTINUE, observation=Observation((user(f"you said {len(response)}"),)))


class Threaded(Echo):
    """The same, on threads."""

    name = "threaded"
    executor = "thread"


class Together(BatchedEnvironment[Options]):
    """The same, all sessions in one object on a thread."""

    name = "together"
    version = "1.0.0"
    Options = Options
    executor = "thread"

    def reset_many(self, slots: Sequence[int], seeds: Sequence[int]) -> Sequence[Start]:
        return [Start(Observation((user(f"episode {seed}"),)), {"seed": seed}) for seed in seeds]

    def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        shown = [Observation((user(f"you said {len(response)}"),)) for response in responses]
        return [Outcome(State.CONTINUE, observation=one) for one in shown]


class Picture(Echo):
    """Answers with a new image of 60 KB each time."""

    name = "picture"
    modalities = frozenset({"text", "image"})

    def reset(self, seed: int) -> Start:
        self.image = bytearray(os.urandom(IMAGE_BYTES))
        return super().reset(seed)

    def step(self, response: str) -> Outcome:
        count = int.from_bytes(self.image[:8], "little") + 1
        self.image[:8] = (count % 2**64).to_bytes(8, "little")
        shown = user("look", Image(bytes(self.image)))
        return Outcome(State.CONTINUE, observation=Observation((shown,)))


BLOCKED_SECONDS = 0.05


class Sleeping(Echo):
    """Waits in every step, as for a database or a browser."""

    name = "sleeping"
    executor = "thread"

    def step(self, response: str) -> Outcome:
        time.sleep(BLOCKED_SECONDS)
        return super().step(response)


class Computing(Echo):
    """Computes in every step, and lets no other thread run for longer than Python makes it."""

    name = "computing"
    executor = "thread"

    def step(self, response: str) -> Outcome:
        began = time.thread_time()
        while time.thread_time() - began < BLOCKED_SECONDS:
            sum(range(1000))
        return super().step(response)


class Apart(Computing):
    """The same in processes."""

    name = "apart"
    executor = "process"


class Lying(Sleeping):
    """Says that it answers at once, and does not."""

    name = "lying"
    executor = "inline"


PLUGINS = (Echo, Threaded, Together, Picture, Sleeping, Computing, Apart, Lying, GeneralPoints)
BY_NAME = {cls.name: cls for cls in PLUGINS}


def made(name: str) -> Environment[Any]:
    """An environment as it is played here, without any service."""
    cls = BY_NAME[name]
    return cls(cls.Options(**OPTIONS.get(name, {})))


def length(name: str) -> int:
    """Steps of an episode."""
    return EPISODE.get(name, LONG)
