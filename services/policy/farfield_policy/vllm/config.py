"""What the engine `vllm` is configured with."""

from typing import Literal

from pydantic import Field, model_validator

from farfield_kernel.config import Config


class VllmConfig(Config):
    """A vLLM server of this engine's own: nobody else changes its weights, and no balancer stands between."""

    kind: Literal["vllm"]
    url: str = "http://127.0.0.1:8000"
    """Where `vllm serve` listens."""
    tokenizer: str = ""
    """Folder (or hub name) of the tokenizer, chat template and configs of the model that the server serves;
    they serve all versions."""
    model: str = ""
    """The name that the server gives its model; empty: the only one it lists."""
    token: str = Field(default="", repr=False)
    """The server's --api-key, where it has one."""
    max_concurrency: int = Field(default=256, ge=1)
    """Responses that the server works on at once; not more than its --max-num-seqs is of use."""
    max_queue: int = Field(default=4096, ge=1)
    """Prompts that may wait or run; more are told to come back."""
    timeout_seconds: float = Field(default=300, gt=0)
    """Longest that one response may take."""
    start_seconds: float = Field(default=900, ge=0)
    """How long the server may take to come up before this service gives up."""
    load_seconds: float = Field(default=900, gt=0)
    """Longest that a change of weights may take."""
    weights_wait_seconds: float = Field(default=60, ge=0)
    """How long a prompt waits for the weights that it requires, or for the end of a pause."""
    retries: int = Field(default=4, ge=0)
    """How often a request is sent again that the server was too busy for, or that it lost."""
    first_pause_seconds: float = Field(default=0.2, gt=0)
    """About how long it waits before the first of them; each further one waits about twice as long."""
    allow_rewriting_template: bool = False
    """Accept a chat template that renders earlier messages differently once others follow."""

    @model_validator(mode="after")
    def _is_complete(self) -> "VllmConfig":
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is '{self.url}'; write where the server listens as http://HOST:PORT")
        if not self.tokenizer:
            raise ValueError(
                "tokenizer is empty; name the folder of the model that the server serves: messages become "
                "token ids here, by its tokenizer and chat template"
            )
        return self
