"""The policy's response as an action of the environment."""

import json
import re
from collections.abc import Mapping
from typing import Any

from farfield_openenv.adapter.link import EnvironmentFault, Refused
from farfield_openenv.adapter.options import OpenEnvOptions

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)


class NoAction(Exception):
    """The response is no action that the environment takes; the text is for the policy."""


def action_of(response: str, options: OpenEnvOptions) -> dict[str, Any]:
    if options.action_format == "text":
        return {**options.action, options.action_field: response}
    fenced = _FENCED.findall(response)
    try:
        action = json.loads(fenced[-1] if fenced else response)
    except (ValueError, RecursionError):
        raise NoAction("The answer is no JSON object.") from None
    if not isinstance(action, dict):
        raise NoAction(f"The answer is a JSON {type(action).__name__}, not an object.")
    return {**action, **options.action}


def blamed(refused: Refused, options: OpenEnvOptions) -> NoAction | EnvironmentFault:
    """Whose fault a refused action is: the policy's where it wrote what is wrong, else the options'."""
    said = "; ".join(map(_line, refused.errors)) or str(refused)
    if options.action_format == "json" or _of_field(refused.errors, options.action_field):
        return NoAction(f"The environment does not take this answer: {said}")
    return EnvironmentFault(
        f"the environment takes no action made of '{options.action_field}' and {options.action}: {said}; see "
        "its /schema, and set the options action_field and action"
    )


def _of_field(errors: list[Mapping[str, Any]], field: str) -> bool:
    """Whether all is about what stands in the field, and nothing about which fields there are."""
    return bool(errors) and all(
        tuple(one.get("loc", ()))[:1] == (field,) and one.get("type") not in ("missing", "extra_forbidden")
        for one in errors
    )


def _line(error: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, error.get('loc', ())))}: {error.get('msg', '')}"
