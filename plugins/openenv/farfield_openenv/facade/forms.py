"""What clients send and get, as models: they validate requests, and `GET /schema` publishes them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LARGEST_SEED = 2**63 - 1


class ResetData(BaseModel):
    """The data of a reset. Further keys are ignored, as OpenEnv's own servers do, and named in the answer."""

    model_config = ConfigDict(extra="allow")

    seed: int | None = Field(None, ge=0, le=LARGEST_SEED, description="Which episode; absent: by chance.")
    episode_id: str | None = Field(None, max_length=255, description="What the state calls the episode.")
    variant: str | None = Field(None, description="In place of the server's variant and options.")
    options: dict[str, Any] = Field(default={}, description="Options of the environment, over the server's.")


class Action(BaseModel):
    """The policy's whole response of one turn."""

    model_config = ConfigDict(extra="forbid")

    response: str
    metadata: dict[str, Any] = Field(default={}, description="Not read.")


class Message(BaseModel):
    """A message as chat templates take it. With images, `content` is a list of parts: `{"type": "text",
    "text": …}` and `{"type": "image_url", "image_url": {"url": "data:image/png;base64,…"}}`."""

    role: str
    content: str | list[dict[str, Any]]


class Observation(BaseModel):
    """What the policy sees next."""

    messages: list[Message] = Field(description="New messages, the verifier's feedback in them.")
    text: str = Field(description="The words of `messages` alone.")
    feedback: str = Field(description="What the verifier says of the last response; it is in `messages`.")
    fresh_context: bool = Field(description="Start a new conversation from `messages` alone.")
    metadata: dict[str, Any] = Field(
        default={}, description="Turn, success, truncation, terms of the reward."
    )


class State(BaseModel):
    """Where a session stands."""

    episode_id: str | None = None
    step_count: int = 0


SCHEMAS = {
    "action": Action.model_json_schema(),
    "observation": Observation.model_json_schema(),
    "reset_observation": Observation.model_json_schema(),
    "state": State.model_json_schema(),
}
