"""What the environment service can be told."""

from typing import Literal

from pydantic import Field

from farfield_kernel.config import Config
from farfield_kernel.server import ServerConfig

MIB = 1024 * 1024


class EnvironmentConfig(Config):
    """The environment service."""

    server: ServerConfig = ServerConfig()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    plugins: tuple[str, ...] = ()
    """Names of the plugins to host; empty hosts all that are installed."""
    executors: dict[str, Literal["inline", "async", "thread", "process"]] = Field(default={})
    """Executor by plugin, in place of the one that the plugin declares."""
    max_sessions: int = Field(default=4096, ge=1)
    """Most sessions alive at once."""
    lease_seconds: float = Field(default=120, gt=0)
    """How long a session lives without a call."""
    start_timeout_seconds: float = Field(default=60, gt=0)
    """Longest that a plugin may take to validate options or to reset."""
    step_timeout_seconds: float = Field(default=30, gt=0)
    """Longest that a plugin may take for one step, or for one of several sessions together."""
    threads: int = Field(default=16, ge=1)
    """Most threads that each plugin runs on."""
    idle_processes: int = Field(default=2, ge=0)
    """Free processes, and free objects of batched environments, of each plugin that are kept warm."""
    child_memory_mib: int = Field(default=4096, ge=0)
    """Most memory that a plugin's child process may hold, in MiB; 0: any amount. Needs /proc."""
    max_response_bytes: int = Field(default=MIB, ge=1)
    """Longest response that a step takes."""
    max_observation_bytes: int = Field(default=32 * MIB, ge=1)
    """Largest observation that a plugin may give, images included."""
    max_facts_bytes: int = Field(default=MIB, ge=2)
    """Largest facts that a plugin may give, as JSON."""
    inline_image_bytes: int = Field(default=64 * 1024, ge=0)
    """Images up to this size travel in the observation; larger ones are fetched by digest."""
