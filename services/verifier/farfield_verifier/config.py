"""What the verifier service can be told."""

from typing import Literal

from pydantic import Field

from farfield_kernel.config import Config
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
    options_timeout_seconds: float = Field(default=60, gt=0)
    """Longest that a plugin may take to validate options."""
    verify_timeout_seconds: float = Field(default=30, gt=0)
    """Longest that a plugin may take to judge one attempt."""
    threads: int = Field(default=16, ge=1)
    """Most threads that plugins run on."""
    processes: int = Field(default=4, ge=1)
    """Most child processes that judge at once."""
    max_response_bytes: int = Field(default=MIB, ge=1)
    """Longest response that is judged."""
    max_facts_bytes: int = Field(default=MIB, ge=2)
    """Largest facts that are read."""
    max_feedback_bytes: int = Field(default=64 * 1024, ge=1)
    """Longest feedback that a plugin may give."""
