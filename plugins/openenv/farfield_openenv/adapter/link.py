"""A session of an OpenEnv environment, wherever it runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class EnvironmentFault(Exception):
    """The environment failed, is away, or answers nonsense. Never a reward."""


class Refused(Exception):
    """The environment does not take the action. `errors` are pydantic's: why, and of which field."""

    def __init__(self, message: str, errors: list[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a reset or a step."""

    observation: Mapping[str, Any]
    reward: float | None
    done: bool
    metadata: Mapping[str, Any]


class Link(Protocol):
    """Raises EnvironmentFault, and Refused for an action."""

    async def reset(self, data: Mapping[str, Any]) -> Answer: ...

    async def step(self, action: Mapping[str, Any]) -> Answer: ...

    async def close(self) -> None: ...


def answer_of(data: Any) -> Answer:
    """The data of an observation message; EnvironmentFault where it is not what OpenEnv writes."""
    if not isinstance(data, dict) or not isinstance(data.get("observation"), dict):
        raise EnvironmentFault(f"answered {str(data)[:200]!r} where an observation is due")
    observation, reward, done = data["observation"], data.get("reward"), data.get("done", False)
    metadata = data.get("metadata") or observation.get("metadata") or {}
    if reward is not None and not (isinstance(reward, int | float) and math.isfinite(reward)):
        raise EnvironmentFault(f"gave {reward!r} as a reward")
    if not isinstance(done, bool) or not isinstance(metadata, dict):
        raise EnvironmentFault(f"answered done: {done!r} and metadata: {metadata!r}")
    return Answer(observation, None if reward is None else float(reward), done, metadata)
