"""What an evaluation is asked for."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from farfield_kernel.config import Config


class Settings(Config):
    """Everything that decides which episodes are played, and how."""

    suite: str = ""
    """A named suite. Empty: `environment_name` and `variants` make one."""
    environment_name: str = ""
    variants: tuple[str, ...] = ()
    """Those to play; none for all of the suite."""
    episodes: int = Field(default=300, ge=1)
    """Of each variant."""
    seed: int = Field(default=0, ge=0)
    """Decides the episodes. A trainer's suite with this seed plays the same ones."""
    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy."""
    max_new_tokens: int | None = Field(default=None, ge=1)
    """Longest response; absent leaves it to the prompt's form."""
    prompt: Literal["compact", "paper"] | None = None
    """Absent: compact for a policy of a small vocabulary, else paper."""
    options: dict[str, Any] = Field(default={})
    """Of the environment, laid over the suite's."""
    rewards: dict[str, Any] = Field(default={})
    """Of the verifier, laid over the suite's."""

    def digest(self, *more: str) -> str:
        """Names these settings in the name of a folder."""
        words = "\n".join((self.model_dump_json(), *more))
        return hashlib.sha256(words.encode()).hexdigest()[:8]


class Players(Config):
    """Who plays: a checkpoint, or services that run already."""

    model: Path | None = None
    """A checkpoint's folder, for which a policy is started."""
    policy: str = ""
    """host:port of a policy service."""
    environment: str = ""
    """host:port; empty starts one. So with the verifier."""
    verifier: str = ""
    state: Path = Path(".farfield")
    """Folder of the stack that may be up: services of it that are named are called as it asks for."""
    lane: str = ""
    """In a cluster: whose policy plays."""
    concurrency: int = Field(default=64, ge=1)
    """Episodes that are played at once, and rows of a policy that is started."""
