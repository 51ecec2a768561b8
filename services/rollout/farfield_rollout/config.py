"""What the rollout worker can be told."""

from typing import Literal

from pydantic import Field

from farfield_kernel.client import ClientConfig
from farfield_kernel.config import Config
from farfield_kernel.discovery.config import DiscoveryConfig, StaticDiscovery
from farfield_kernel.server import ServerConfig


class RetryConfig(Config):
    """How a call that failed is made again. Delays double from `first_delay_seconds`, with jitter."""

    patience_seconds: float = Field(default=300, ge=0)
    """How long a service that is away, full or behind with its weights is waited for."""
    retries: int = Field(default=3, ge=0)
    """How often a call is made again that failed inside the service: a plugin that raised, a judge that
    broke, a deadline that passed, a session that was lost."""
    first_delay_seconds: float = Field(default=0.1, gt=0)
    max_delay_seconds: float = Field(default=5, gt=0)


class PolicyConfig(ClientConfig):
    """How to reach the lane's policy."""

    address: str = "127.0.0.1:50053"
    timeout_seconds: float = Field(default=600, gt=0)
    """Deadline of one response, its time in the engine's queue included."""
    streams: int = Field(default=1, ge=1)
    """Long-lived streams to each replica."""


class RolloutConfig(Config):
    """The rollout worker."""

    server: ServerConfig = ServerConfig()
    """Health and metrics; `drain_seconds` is how long episodes may be finished after SIGTERM."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    lane: str = "default"
    """The lane whose active run is played."""
    worker: str = ""
    """Name of this worker, unique among the living; empty makes one of host, process and chance."""
    queue_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    """Where the queue is: redis://, rediss:// or unix://."""
    queue_patience_seconds: float = Field(default=10, ge=0)
    """How long one call tries to reach the queue. The worker itself never gives up."""
    lease_seconds: float = Field(default=60, gt=0)
    """How long a claimed episode stays with a worker that is not heard of; the same for all workers."""
    concurrency: int = Field(default=64, ge=1)
    """Episodes played at once."""
    attempts: int = Field(default=10, ge=1)
    """Most starts of one episode, those that were given back apart. One that takes its workers down with it
    fails after these."""
    discovery: DiscoveryConfig = StaticDiscovery()
    """How services are found. Where they are discovered, the addresses below are not used, and everything
    else of them holds for each service of its kind."""
    environment: ClientConfig = ClientConfig(address="127.0.0.1:50051")
    """The environment service. Several addresses with commas between them, or a `dns:///` name of
    several, are replicas: a session stays with the one that it began on."""
    environments: dict[str, ClientConfig] = Field(default={})
    """Services of environments that have one of their own, by the environment's name."""
    verifier: ClientConfig = ClientConfig(address="127.0.0.1:50052")
    """The verifier service. Several addresses, or a name of several, are replicas; so with the policy."""
    policy: PolicyConfig = PolicyConfig()
    retry: RetryConfig = RetryConfig()
    look_seconds: float = Field(default=0.2, gt=0)
    """How often a worker that waits for episodes looks whether its lane has another run."""
    image_cache_bytes: int = Field(default=256 * 1024 * 1024, ge=0)
    """Most bytes of images that are kept, so that environments need not send them again."""
