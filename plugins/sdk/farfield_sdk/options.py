"""Options of a plugin: a typed model whose JSON schema the service publishes."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every plugin's options. Frozen, and a key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
