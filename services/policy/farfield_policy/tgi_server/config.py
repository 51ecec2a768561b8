"""How the engine is offered to clients of text-generation-inference."""

from pydantic import Field

from farfield_kernel.config import Config


class TgiServerConfig(Config):
    """An HTTP server beside the gRPC one, on the same engine. TLS and token are those of `server`."""

    host: str = ""
    """Address to bind; empty takes that of the gRPC server."""
    port: int = Field(ge=0, le=65535)
    """HTTP port; 0 takes a free one."""
    model_id: str = ""
    """What `/info` calls the model; empty takes the engine's own `model`."""
    max_concurrent_requests: int = Field(default=128, ge=1)
    """Requests that may wait or run; one more is told 429."""
    max_input_tokens: int = Field(default=0, ge=0)
    """Most tokens of a prompt; 0: one less than `max_total_tokens`."""
    max_total_tokens: int = Field(default=0, ge=0)
    """Most tokens of prompt and response; 0: the engine's context."""
    max_best_of: int = Field(default=2, ge=1)
    max_stop_sequences: int = Field(default=4, ge=0)
    max_body_bytes: int = Field(default=2_000_000, ge=1)
    """Largest body of a request; images travel in it as base64."""
