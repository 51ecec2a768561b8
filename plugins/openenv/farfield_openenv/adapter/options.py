"""Options of the adapter: where the environment is, and how its JSON and the policy's words meet."""

import os
from typing import Any, Literal

from pydantic import Field, model_validator

from farfield_sdk import Options

LOCAL_CLASSES = "FARFIELD_OPENENV_LOCAL"
"""Variable of the service's process: the classes that `local` may name, with commas between them. Options
come over the network, and must not choose what this process imports."""


class OpenEnvOptions(Options):
    """One of `url` and `local` is given."""

    url: str = Field(
        "", description="An OpenEnv server, e.g. `http://127.0.0.1:8000`; ws, wss, http and https will do."
    )
    local: str = Field(
        "",
        description="`module:Class` of an OpenEnv environment, which then runs in the environment service; "
        f"the service's variable {LOCAL_CLASSES} must name it.",
    )
    reset: dict[str, Any] = Field(default={}, description="What each reset is given beside the seed.")
    seed_bits: int = Field(
        32, ge=1, le=63, description="Bits of the seed that are passed on: many a library takes no more."
    )
    instructions: str = Field(
        "",
        description="Text before the first observation: OpenEnv itself tells a policy neither the task nor "
        "how to answer.",
    )
    template: str = Field(
        "",
        description="What the policy reads of an observation: text with `{field}`, or `{outer.inner}`, in "
        "the place of values. Empty: the only field, or each on a line with its name.",
    )
    images: tuple[str, ...] = Field(
        (), description="Fields with images, as base64 or data URLs; empty ones are left out."
    )
    action_format: Literal["text", "json"] = Field(
        "text",
        description="`text`: the response is the value of `action_field`. `json`: the response is the "
        "action, a JSON object, alone or in its last fenced block.",
    )
    action_field: str = Field("message", description="The action's field that takes the response.")
    action: dict[str, Any] = Field(default={}, description="Further fields of every action.")
    max_turns: int = Field(32, ge=1, le=10_000, description="Turns after which the episode is cut off.")
    success_reward: float = Field(
        1.0,
        description="An episode that ends with at least this reward is a success, unless its metadata has a "
        "`success` of its own.",
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> "OpenEnvOptions":
        if bool(self.url) == bool(self.local):
            raise ValueError("give one of url and local")
        if self.url and not self.url.startswith(("ws://", "wss://", "http://", "https://")):
            raise ValueError(f"url: {self.url!r} begins with none of ws://, wss://, http:// and https://")
        if self.local and self.local not in _admitted():
            raise ValueError(
                f"local: this service may not import {self.local!r}: name it in {LOCAL_CLASSES}, where the "
                "service is started"
            )
        return self


def _admitted() -> set[str]:
    return {name.strip() for name in os.environ.get(LOCAL_CLASSES, "").split(",")}
