"""The verifier protocol: a response and the environment's facts in, a verdict out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from farfield_sdk.environment import Executor
from farfield_sdk.options import Options


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is judged: the response of turn `turn` (from 0), and the facts.

    `state` and `success` are the environment's, after the response was applied: a spent budget is the
    state `truncated`."""

    response: str
    facts: Mapping[str, Any]
    turn: int = 0
    success: bool = False
    state: str = "continue"


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


OptionsT = TypeVar("OptionsT", bound=Options)


class Verifier(Generic[OptionsT]):
    """Judges attempts. Pure: the same attempt always gets the same verdict.

    Raise when an attempt cannot be judged (a broken judge, missing facts): the service reports an
    error, and an error is never a reward. A malformed *response* is judged, and earns nothing.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    Options: ClassVar[type[Options]]
    executor: ClassVar[Executor] = "thread"

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    def verify(self, attempt: Attempt) -> Verdict:
        raise NotImplementedError
