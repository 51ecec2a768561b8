"""Bodies of requests. As the original does, types are taken strictly and unknown keys are ignored."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=1 << 32)]
Whole = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Seed = Annotated[int, Field(ge=0, lt=1 << 64)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Parameters(Body):
    """How to generate. Without `do_sample`, and with nothing that bends the distribution, greedily."""

    adapter_id: str | None = None
    best_of: Count | None = None
    decoder_input_details: bool = False
    details: bool = False
    do_sample: bool = False
    frequency_penalty: float | None = None
    grammar: Any = None
    max_new_tokens: Count | None = None
    repetition_penalty: float | None = None
    return_full_text: bool | None = None
    seed: Seed | None = None
    stop: list[str] = []
    temperature: float | None = None
    top_k: Whole | None = None
    top_n_tokens: Count | None = None
    top_p: float | None = None
    truncate: Count | None = None
    typical_p: float | None = None
    watermark: bool = False


class Generate(Body):
    """Whoever sends no `parameters` at all is answered with samples."""

    inputs: str
    parameters: Parameters = Parameters(do_sample=True)


class Compatible(Generate):
    """The root's: one route for whole answers and streams."""

    stream: bool = False


class ImageUrl(Body):
    url: str


class Piece(Body):
    """Part of a chat message."""

    type: Literal["text", "image_url"]
    text: str = ""
    image_url: ImageUrl | None = None


class ChatMessage(Body):
    role: str
    content: str | list[Piece] | None = None

    @property
    def pieces(self) -> list[Piece]:
        """The content, a plain one as its only piece."""
        if isinstance(self.content, list):
            return self.content
        return [Piece(type="text", text=self.content or "")]

    @property
    def image_urls(self) -> list[str]:
        return [piece.image_url.url for piece in self.pieces if piece.image_url]


class StreamOptions(Body):
    include_usage: bool = False


class Chat(Body):
    messages: list[ChatMessage]
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    max_tokens: Count | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens")
    )
    n: Count | None = None
    presence_penalty: float | None = None
    response_format: Any = None
    seed: Seed | None = None
    stop: list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    tools: list[Any] | None = None
    top_logprobs: Count | None = None
    top_p: float | None = None

    @property
    def parameters(self) -> Parameters:
        """Temperature 0 is greedy, everything else samples."""
        greedy = self.temperature == 0
        return Parameters(
            details=True,
            do_sample=not greedy,
            frequency_penalty=self.frequency_penalty,
            grammar=self.response_format,
            max_new_tokens=self.max_tokens,
            seed=self.seed,
            stop=self.stop or [],
            temperature=None if greedy else self.temperature,
            top_n_tokens=self.top_logprobs,
            top_p=self.top_p,
        )
