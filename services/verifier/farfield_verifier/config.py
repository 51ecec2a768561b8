"""What the verifier service can be told."""

from typing import Any, Literal

from pydantic import Field, field_validator

from farfield.verifier.v1.verifier_pb2 import RewardPlan
from farfield_kernel.config import Config
from farfield_kernel.reward_plans import reward_plan
from farfield_kernel.server import ServerConfig

MIB = 1024 * 1024


class VerifierConfig(Config):
    """The verifier service."""

    server: ServerConfig = ServerConfig()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    plugins: tuple[str, ...] = ()
    """Names of the plugins to host; empty hosts all that are installed."""
    executors: dict[str, Literal["inline", "async", "thread", "process"]] = Field(default={})
    """Executor by plugin, in place of the one that the plugin declares."""
    plans: dict[str, dict[str, Any]] = Field(default={})
    """Reward plans by name, in their JSON form: a run that says {named: NAME} takes the one that is here."""
    options_timeout_seconds: float = Field(default=60, gt=0)
    """Longest that a plugin may take to validate options."""
    verify_timeout_seconds: float = Field(default=30, gt=0)
    """Longest that a plugin may take to judge an attempt, a group, or a batch and then its attempts alone."""
    threads: int = Field(default=16, ge=1)
    """Most threads that each plugin runs on."""
    processes: int = Field(default=4, ge=1)
    """Most child processes of each plugin that judge at once."""
    child_memory_mib: int = Field(default=4096, ge=0)
    """Most memory that a plugin's child process may hold, in MiB; 0: any amount. Needs /proc."""
    max_response_bytes: int = Field(default=MIB, ge=1)
    """Longest response that is judged."""
    max_facts_bytes: int = Field(default=MIB, ge=2)
    """Largest facts that are read."""
    max_feedback_bytes: int = Field(default=64 * 1024, ge=1)
    """Longest feedback that a plugin may give."""

    @field_validator("plans")
    @classmethod
    def _are_plans(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, plan in value.items():
            try:
                reward_plan(plan)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return value

    def named_plans(self) -> dict[str, RewardPlan]:
        return {name: reward_plan(plan) for name, plan in self.plans.items()}
