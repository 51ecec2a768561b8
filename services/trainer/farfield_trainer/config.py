"""What the trainer process can be told. What a run is told is in `run_config`. Knows no torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from farfield_kernel.client import ClientConfig
from farfield_kernel.config import Config
from farfield_kernel.discovery.config import DiscoveryConfig, StaticDiscovery
from farfield_kernel.server import ServerConfig
from farfield_trainer.parallel.config import ParallelConfig


class TrainerConfig(Config):
    """The trainer service."""

    server: ServerConfig = ServerConfig()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    lane: str = Field(default="default", min_length=1)
    """The lane whose policies and workers this trainer commands."""
    queue_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    """Where work and trajectories pass: redis://, rediss://, unix:// or memory://NAME."""
    discovery: DiscoveryConfig = StaticDiscovery()
    """How environment and verifier services are found. Where they are discovered, the addresses below are not
    used, and everything else of them holds for each service of its kind."""
    environment: ClientConfig | None = None
    """The environment service: gives demonstrations, and checks a run's environments before it starts.
    Without it SFT is refused, and a mistake shows only when episodes fail."""
    verifier: ClientConfig | None = None
    """The verifier service: checks a run's rewards before it starts. Without it they are not checked."""
    runs: Path = Path("runs")
    """Folder of runs; the policies of the lane must be able to read it under the same path."""
    weights: str = ""
    """Where weights are published: the URL of an object store that the policies reach, e.g.
    s3://BUCKET/PREFIX (needs farfield-kernel[s3]); empty for the run's folder. Checkpoints stay in the run's
    folder."""
    device: str = "cpu"
    """Where the model is trained, e.g. `cuda`. Each process of several takes the GPU of its LOCAL_RANK."""
    parallel: ParallelConfig = ParallelConfig()
    """How the processes share the model where torchrun starts several."""
    torch_threads: int = Field(default=1, ge=1)
    """CPU threads of one tensor operation."""
    queue_watch_seconds: float = Field(default=5, gt=0)
    """How often the depth and age of the queue are measured for `/metrics`."""
    replan_seconds: float = Field(default=10, gt=0)
    """How long no episode may arrive before what is missing is planned again (idempotent)."""
