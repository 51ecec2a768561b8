"""The environment protocol: one object is one session of one episode.

A plugin subclasses `Environment`, fills in four class attributes and writes `reset` and `step`.
The service owns everything else: sessions, leases, replay, limits, metrics and the wire.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, Literal, TypeVar

from farfield_sdk.messages import Message
from farfield_sdk.options import Options

Facts = Mapping[str, Any]
"""JSON-like data for the verifier. The policy never sees it."""

Executor = Literal["inline", "async", "thread", "process"]
"""Where the service runs a plugin's methods.

`inline`: pure and always under a millisecond, called on the event loop. `async`: the methods are
coroutines. `thread`: they may block. `process`: they may hang or crash, and can be killed.
"""


class State(Enum):
    """Where the episode stands after a turn."""

    CONTINUE = "continue"
    """Another turn is expected."""
    TERMINATED = "terminated"
    """The task itself ended: solved, or failed for good. The return after it is zero."""
    TRUNCATED = "truncated"
    """A limit from outside the task ended it, such as a spent verification budget."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Messages that the policy sees next.

    `fresh_context` starts a new conversation from these messages alone; otherwise they are appended
    to the conversation, after the verifier's feedback.
    """

    messages: tuple[Message, ...] = ()
    fresh_context: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Result of `reset`: the first observation (a whole conversation) and the facts."""

    observation: Observation
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of `step`. `facts` replaces the session's facts where given; None leaves them."""

    state: State
    success: bool = False
    observation: Observation = Observation()
    facts: Facts | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variant:
    """A named setting of the options, with its part in a generalization experiment."""

    role: Literal["id", "ood", "other"]
    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One supervised example: a conversation whose last message is the assistant's target."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Expert samples of one episode. A multi-turn style yields one sample with every turn in it;
    `weights` then gives each assistant message's loss weight, in order."""

    sample: Sample
    weights: tuple[float, ...] = (1.0,)


OptionsT = TypeVar("OptionsT", bound=Options)


class Environment(Generic[OptionsT]):
    """One session. Deterministic: the same options, seed and responses give the same episode."""

    name: ClassVar[str]
    """What a run config calls it, e.g. ``generalpoints``."""
    version: ClassVar[str]
    """Semantic version of the dynamics: the same version replays the same episode."""
    Options: ClassVar[type[Options]]
    variants: ClassVar[Mapping[str, Variant]] = {}
    modalities: ClassVar[frozenset[str]] = frozenset({"text"})
    executor: ClassVar[Executor] = "thread"
    demonstration_styles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    def reset(self, seed: int) -> Start:
        """Start the episode that `seed` (0 … 2**63 − 1) names."""
        raise NotImplementedError

    def step(self, response: str) -> Outcome:
        """Apply the policy's whole response for this turn. Never raises for what a policy wrote:
        an illegal move is an outcome of the game."""
        raise NotImplementedError

    def oracle(self) -> str:
        """The best response from the present state; `NotImplementedError` where none is known."""
        raise NotImplementedError

    @classmethod
    def demonstrate(cls, options: OptionsT, seed: int, style: str) -> Iterator[Demonstration]:
        """Expert demonstrations of the episode that `seed` names, in one of
        `demonstration_styles`."""
        raise NotImplementedError
