"""Options of a plugin: a typed model whose JSON schema the service publishes."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every plugin's options, and of models inside them. Frozen, and a key it does not know is
    refused. A docstring under a field is its description; a field with an alias goes by both names.

    Options cross the wire as JSON does: numbers, text, lists, mappings by text. Enums, tuples and sets are
    written as their values and lists.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )
