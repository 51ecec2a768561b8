"""What the engine `tgi` is configured with."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from farfield_kernel.config import Config

MODEL = "{model}"
"""Stands for the folder of the weights in the command of a supervised server."""


class FixedWeights(Config):
    """A server that somebody else runs; its weights stay what they are."""

    kind: Literal["fixed"] = "fixed"
    start_seconds: float = Field(default=600, ge=0)
    """How long this service waits for a server that does not answer yet."""


class ProcessWeights(Config):
    """A server on this machine that the engine starts, watches, and starts again on new weights."""

    kind: Literal["process"]
    command: tuple[str, ...] = Field(min_length=1)
    """The server's command line; `{model}` in it becomes the folder of the weights. It must listen where
    `url` says."""
    start_seconds: float = Field(default=600, gt=0)
    """How long the server may take until its /info shows the model."""
    stop_seconds: float = Field(default=30, gt=0)
    """How long it may take to end after SIGTERM; then it is killed."""
    every: int = Field(default=1, ge=1)
    """Change to new weights when they are so many versions ahead, or when a prompt requires it."""

    @model_validator(mode="after")
    def _names_the_model(self) -> "ProcessWeights":
        if not any(MODEL in word for word in self.command):
            raise ValueError(
                f"no word of the command is or holds {MODEL}, so that it could never serve other weights; "
                'write e.g. ["text-generation-launcher", "--model-id", "{model}", "--port", "8080"]'
            )
        return self


class KubernetesWeights(Config):
    """Servers that the engine makes through the Kubernetes API: one for each version of the weights."""

    kind: Literal["kubernetes"]
    template: Path
    """YAML with one Deployment and one Service, in whose strings `__MODEL__` becomes the folder of the
    weights and `__VERSION__` the version's name."""
    name_prefix: str = Field(default="farfield-tgi", pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    """What the names of all objects begin with. No other gateway of the namespace may have it: what bears it
    and is not in use is deleted."""
    namespace: str = ""
    """Empty: that of this pod, or of the KUBECONFIG's current context."""
    owner: str = ""
    """A Deployment, this service's own, with which the servers are to go when it is deleted. Empty: they
    stay until they are deleted by hand."""
    start_seconds: float = Field(default=900, gt=0)
    """How long a new server may take until it is ready."""
    every: int = Field(default=1, ge=1)
    """Change to new weights when they are so many versions ahead, or when a prompt requires it."""


Weights = Annotated[FixedWeights | ProcessWeights | KubernetesWeights, Field(discriminator="kind")]


class TgiConfig(Config):
    """A text-generation-inference server, which keeps its weights until it is restarted."""

    kind: Literal["tgi"]
    url: str = ""
    """Base URL of the server, e.g. http://127.0.0.1:8080. Empty with weights of kind `kubernetes`, which
    makes its servers itself."""
    tokenizer: str = ""
    """Folder (or hub name) of the model's tokenizer and chat template. Empty: `model_path`."""
    model_path: str = ""
    """What the server serves first, as its --model-id: version 0 until the lane announces weights. Empty
    (weights `fixed` only): whatever it serves."""
    token: str = Field(default="", repr=False)
    """Bearer token of the server, where it asks for one."""
    max_concurrency: int = Field(default=64, ge=1)
    """Most requests that run at once; the server's own limit holds too."""
    max_queue: int = Field(default=4096, ge=1)
    """Prompts that may wait or run; more are told to come back."""
    timeout_seconds: float = Field(default=300, gt=0)
    """Longest that one response may take."""
    retries: int = Field(default=4, ge=0)
    """How often a request is made again that met an overloaded or unavailable server."""
    weights_wait_seconds: float = Field(default=60, ge=0)
    """How long a prompt waits for the weights that it requires."""
    payload_limit: int = Field(default=2_000_000, ge=1)
    """Most bytes of a request, images included: the server's --payload-limit."""
    kept_image_bytes: int = Field(default=256 << 20, ge=0)
    """Images whose bytes are kept, so that a conversation's next turn need not send them again."""
    weights: Weights = FixedWeights()

    @model_validator(mode="after")
    def _is_complete(self) -> "TgiConfig":
        if self.weights.kind == "kubernetes":
            if self.url:
                raise ValueError(
                    f"url is '{self.url}', and weights of kind 'kubernetes' make their own servers"
                )
        elif not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is '{self.url}'; write the server's address as http://HOST:PORT")
        if not (self.tokenizer or self.model_path):
            raise ValueError(
                "neither tokenizer nor model_path is set; name the folder of the model that the server "
                "serves, whose tokenizer and chat template make its prompts"
            )
        if not self.model_path and self.weights.kind != "fixed":
            raise ValueError(
                f"model_path is empty, and weights of kind '{self.weights.kind}' start a server with a "
                "model; name the folder to serve first"
            )
        return self

    @property
    def tokenizer_path(self) -> str:
        return self.tokenizer or self.model_path

    @property
    def base_url(self) -> str:
        return self.url.rstrip("/")
