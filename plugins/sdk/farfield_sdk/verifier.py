"""The verifier protocol: a response and the environment's facts in, a verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from farfield_sdk.environment import Executor
from farfield_sdk.options import Options


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is judged: the response of turn `turn` (from 0), and the facts.

    `state` and `success` are the environment's, after the response was applied: a spent budget is the
    state `truncated`. Attempts with one `group` answer the same start. `response_tokens` is how many the
    policy sampled, where that is known."""

    response: str
    facts: Mapping[str, Any]
    turn: int = 0
    success: bool = False
    state: str = "continue"
    group: str = ""
    response_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reward` is finite. `feedback` is the next user message of a sequential revision; empty when
    there is nothing to revise. `terms` are the named parts that make up the reward, and plain
    measures beside it, such as `recognition`."""

    reward: float
    correct: bool
    feedback: str = ""
    terms: Mapping[str, float] = field(default_factory=dict)
    parseable: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """An attempt, and whether it is right."""

    attempt: Attempt
    correct: bool


OptionsT = TypeVar("OptionsT", bound=Options)


class Verifier(Generic[OptionsT]):
    """Judges attempts. Pure: the same attempt always gets the same verdict.

    A plugin writes one of three methods. `verify` judges an attempt by itself. `verify_batch` judges
    several in one go, where that is cheaper. `verify_group` compares the responses of one group. Of a
    plugin that writes more than one the service uses the last of these.

    Raise when an attempt cannot be judged (a broken judge, missing facts): the service reports an
    error, and an error is never a reward. A malformed *response* is judged, and earns nothing.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    Options: ClassVar[type[Options]]
    executor: ClassVar[Executor] = "thread"
    max_batch: ClassVar[int] = 64
    """Most attempts that `verify_batch` is given."""
    max_wait_seconds: ClassVar[float] = 0.0
    """How long a batch that is not full waits for more attempts; 0 takes those that are there."""
    examples: ClassVar[tuple[Example, ...]] = ()
    """Attempts that the conformance checks judge where no environment gives them facts: right ones and
    wrong ones, under the options' defaults."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    def verify(self, attempt: Attempt) -> Verdict:
        raise NotImplementedError

    def verify_batch(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        """A verdict for each attempt, in their order; none depends on its neighbours. When this raises,
        the attempts are tried once more, each alone."""
        raise NotImplementedError

    def verify_group(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        """A verdict for each member of a group, in the members' order. Those that a gate before it kept
        out, or that have failed, are not among them. When this raises, the group has no verdicts."""
        raise NotImplementedError
