"""What the facade can be told."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_kernel.client import ClientConfig
from farfield_kernel.config import Config
from farfield_kernel.reward_plans import reward_plan
from farfield_kernel.server import ServerConfig
from farfield_rollout.config import RetryConfig


def _client(value: Any) -> Any:
    """`--environment HOST:PORT` is short for `--environment.address HOST:PORT`."""
    return {"address": value} if isinstance(value, str) else value


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    reward_plan(value)
    return value


Client = Annotated[ClientConfig, BeforeValidator(_client)]
Plan = Annotated[dict[str, Any], AfterValidator(_checked)]


class FacadeConfig(Config):
    """One environment under one reward, for clients of OpenEnv."""

    name: str
    """The environment, e.g. generalpoints."""
    variant: str = ""
    options: dict[str, Any] = Field(default={})
    """Options of the environment, over the variant's. A client may lay its own over them at each reset."""
    reward: Plan = Field(default={})
    """A RewardPlan in its JSON form; absent, the verifier that is named as the environment."""
    environment: Client = ClientConfig(address="127.0.0.1:50051")
    """The environment service; several addresses with commas between them are replicas."""
    verifier: Client = ClientConfig(address="127.0.0.1:50052")
    host: str = "127.0.0.1"
    """Where OpenEnv's clients connect; `0.0.0.0` in a container."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free one."""
    token: str = ""
    """Bearer token that clients must present; empty asks for none."""
    max_connections: int = Field(default=1024, ge=1)
    """Most sessions at once; one more is told CAPACITY_REACHED."""
    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """Longest message that a client may send."""
    renew_seconds: float = Field(default=30, gt=0)
    """How often leases of idle sessions are renewed; less than half of the environment service's lease."""
    retry: RetryConfig = RetryConfig(patience_seconds=20)
    """How long a service that is away or full is waited for. OpenEnv's client waits for 60 seconds."""
    server: ServerConfig = ServerConfig()
    """Health over gRPC, and `/metrics`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def plan(self) -> RewardPlan:
        if self.reward:
            return reward_plan(self.reward)
        return RewardPlan(leaf=Leaf(verifier=self.name))
