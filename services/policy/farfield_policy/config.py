"""What the policy service is configured with."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from farfield_kernel.config import Config
from farfield_kernel.server import ServerConfig
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.vllm.config import VllmConfig


class TorchConfig(Config):
    """The embedded torch engine."""

    kind: Literal["torch"] = "torch"
    model: str
    """Folder (or hub name) in Hugging Face format: version 0 until the lane announces weights. Its
    tokenizer and chat template serve all versions."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch's own."""
    max_rows: int = Field(default=64, ge=1)
    """Responses that are decoded together."""
    max_context: int = Field(default=4096, ge=2)
    """Most tokens of prompt and response; the model's own limit holds too."""
    prefill_tokens: int = Field(default=2048, ge=1)
    """Most padded prompt tokens of one forward pass."""
    kept_tokens: int = Field(default=32768, ge=0)
    """Tokens of finished responses whose keys and values are kept for the conversation's next turn; 0 keeps
    none. Deterministic mode keeps none either."""
    kept_image_bytes: int = Field(default=256 << 20, ge=0)
    """Images whose bytes and pixels are kept, so that a conversation's next turn need not send them again."""
    max_queue: int = Field(default=4096, ge=1)
    """Prompts that may wait or run; more are told to come back."""
    weights_wait_seconds: float = Field(default=60, ge=0)
    """How long a prompt waits for the weights that it requires."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Weights and activations; logprobs are computed in float32."""
    device: str = "cpu"
    """`cpu`, `cuda`, `cuda:1`, ..."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention implementation of transformers; `eager` for models that sdpa does not serve."""
    fused: bool = True
    """Use the leaner forward pass where the model is built like Llama; off, transformers' own serves."""
    deterministic: bool = False
    """Results are bit-identical whatever else is in the batch, for more work per step."""
    allow_rewriting_template: bool = False
    """Accept a chat template that renders earlier messages differently once others follow (it drops
    reasoning, say). Prompts then hold what was sampled, not what the template would render."""


class ScriptedConfig(Config):
    """An engine that answers from a script, for tests of other services."""

    kind: Literal["scripted"]
    responses: tuple[str, ...] = Field(min_length=1)
    """Given in turn, over and over."""
    latency_seconds: float = Field(default=0, ge=0)
    """How long each response takes."""
    rows: int = Field(default=64, ge=1)
    """Responses that are given together; further prompts wait."""


def _kind(engine: Any) -> str:
    given = engine.get("kind", "torch") if isinstance(engine, dict) else getattr(engine, "kind", "torch")
    return str(given)


class PolicyConfig(Config):
    """One replica of a lane's policy."""

    server: ServerConfig = ServerConfig()
    engine: Annotated[
        Annotated[TorchConfig, Tag("torch")]
        | Annotated[ScriptedConfig, Tag("scripted")]
        | Annotated[TgiConfig, Tag("tgi")]
        | Annotated[VllmConfig, Tag("vllm")],
        Discriminator(_kind),
    ]
    tgi_server: TgiServerConfig | None = None
    """Also serve clients of text-generation-inference, with the torch engine; absent serves none."""
    lane: str = "default"
    """The lane whose weights are followed."""
    queue_url: str = Field(default="", repr=False)
    """Where the lane announces weights: redis://, rediss://, unix://. Empty follows no announcements,
    and weights come by LoadWeights alone."""
    weights_cache: Path | None = None
    """Folder of this replica's own, to which weights of an object store are downloaded. Absent, weights come
    from folders alone."""
    weights_cached: int = Field(default=2, ge=1)
    """Most versions in it, one that is being downloaded included. An engine that reads its weights again when
    it restarts needs 2."""
    watch_seconds: float = Field(default=5, gt=0)
    """How long one look for new weights waits for an announcement."""
    retry_seconds: float = Field(default=1, gt=0)
    """Pause before torn weights or a lost queue is tried again."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _tgi_server_has_its_engine(self) -> "PolicyConfig":
        if self.tgi_server is not None and not isinstance(self.engine, TorchConfig):
            raise ValueError(f"tgi_server needs engine torch, not {self.engine.kind}; remove one of them")
        return self
