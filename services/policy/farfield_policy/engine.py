"""What every engine does, and the plain data that goes in and out. Nothing here knows torch or gRPC."""

import asyncio
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farfield_kernel.errors import InvalidArgument
from farfield_model.chat import Message
from farfield_model.images import ImageFile

SHUTTING_DOWN = "the policy service is shutting down"


class FinishReason(enum.Enum):
    """Why a response ended."""

    STOP_TOKEN = "stop_token"  # noqa: S105
    STOP_STRING = "stop_string"
    LENGTH = "length"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy; `top_k` 0 and `top_p` 0 or 1 filter nothing."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    stop_strings: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    stop_at_token_end: bool = False
    """A stop string counts only where a token ends with it; else wherever it stands in the text."""

    def validate(self) -> None:
        if self.max_new_tokens < 1:
            raise InvalidArgument(f"sampling.max_new_tokens is {self.max_new_tokens}; set it to 1 or more")
        if not 0 <= self.temperature < float("inf"):
            raise InvalidArgument(f"sampling.temperature is {self.temperature}; it must be finite and >= 0")
        if not 0 <= self.top_p <= 1:
            raise InvalidArgument(f"sampling.top_p is {self.top_p}; it must lie between 0 and 1")
        if self.top_k < 0:
            raise InvalidArgument(f"sampling.top_k is {self.top_k}; it must be 0 (off) or more")
        if "" in self.stop_strings:
            raise InvalidArgument("sampling.stop_strings holds an empty string, which would stop everything")


@dataclass(frozen=True, slots=True)
class Version:
    """Weights of a run. Version 0 of run "" is the model that the engine was configured with."""

    run_id: str = ""
    version: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"version {self.version} of run '{self.run_id}'"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Weights that must serve the whole response: the run's, from `version - max_staleness` to `version`.
    Newer ones are of a life of the run that it has fallen back behind."""

    run_id: str
    version: int = 0
    digest: str = ""
    max_staleness: int = 0

    def met_by(self, serving: Version) -> bool:
        if serving.run_id != self.run_id or not 0 <= self.version - serving.version <= self.max_staleness:
            return False
        other = self.digest and serving.version == self.version and serving.digest != self.digest
        return not other

    def __str__(self) -> str:
        oldest = f"{self.version - self.max_staleness} to " if self.max_staleness else ""
        return f"version {oldest}{self.version} of run '{self.run_id}'"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: the conversation so far by its ids, and the messages that are new since.
    `prefix_images`: the images that the prefix holds, in their order. An image may come without its bytes
    where the engine has been given them before. `on_token` is told the id and the logprob of each token but
    the last as it is drawn, by an engine that can; the completion holds them all."""

    sampling: Sampling
    prefix_ids: Sequence[int] = ()
    prefix_images: tuple[ImageFile, ...] = ()
    messages: tuple[Message, ...] = ()
    seed: int = 0
    require: Requirement | None = None
    request_id: str = ""
    on_token: Callable[[int, float], None] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens that one weight version drew."""

    version: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished response. `logprobs` are of the distribution that was sampled, `raw_logprobs` of the
    model's own at temperature 1; one of each per response id. An engine that does not know the
    latter leaves them out."""

    prompt_ids: Sequence[int]
    response_ids: Sequence[int]
    logprobs: Sequence[float]
    raw_logprobs: Sequence[float]
    finish_reason: FinishReason
    text: str
    spans: tuple[Span, ...]
    run_id: str


@dataclass(frozen=True, slots=True)
class Forced:
    """A response to score under teacher forcing. Temperature 0 is read as 1. `images`: those that the prompt
    holds, in their order."""

    prompt_ids: Sequence[int]
    response_ids: Sequence[int]
    temperature: float = 1.0
    images: tuple[ImageFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    logprobs: Sequence[float]
    raw_logprobs: Sequence[float]


class WeightUpdate(enum.Enum):
    """How an engine comes to serve other weights."""

    NONE = "none"
    RESTART = "restart"
    """By another server, or the same one started again: minutes, and responses finish on the old one."""
    DISK = "disk"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class Capabilities:
    token_ids_in: bool = True
    token_ids_out: bool = True
    logprobs_raw: bool = True
    logprobs_processed: bool = True
    score: bool = False
    seed: bool = True
    stop_strings: bool = True
    stop_token_ids: bool = True
    images: bool = False
    lora: bool = False
    weight_update: WeightUpdate = WeightUpdate.NONE
    deterministic: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    engine: str
    capabilities: Capabilities
    weights: Version
    max_context_tokens: int
    max_concurrency: int
    eos_token_ids: tuple[int, ...] = ()
    parameters: int = 0
    vocabulary: int = 0


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a change of weights cost."""

    weights: Version
    load_seconds: float
    stall_seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """Results of one `score` call; an item that cannot be scored has its error."""

    results: list[Scores | Exception] = field(default_factory=list)
    weights: Version = field(default_factory=Version)


class Engine(Protocol):
    """Methods are called from one event loop. Errors are the kernel's domain errors."""

    def describe(self) -> Description: ...

    def submit(self, prompts: Sequence[Prompt]) -> "list[asyncio.Future[Completion]]":
        """Queues prompts together: those with the same ids share one prefill. Cancelling a future frees
        its row. A prompt that cannot be served fails its own future alone."""
        ...

    async def score(self, items: Sequence[Forced]) -> Scored: ...

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        """Loads a sealed folder beside the serving weights and swaps between two decode steps."""
        ...

    async def pause(self, drain: bool) -> int:
        """Admits nothing more; with `drain`, returns once running responses are finished. Returns how
        many run."""
        ...

    async def resume(self) -> None: ...

    async def close(self) -> None: ...
