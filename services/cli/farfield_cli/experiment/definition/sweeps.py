"""Sweeps: one arm as it is written becomes one for each combination of values."""

import itertools
from collections.abc import Mapping
from typing import Any

from farfield_kernel.errors import InvalidArgument

Json = dict[str, Any]


def spread(name: str, arm: Json, what: str) -> dict[str, Json]:
    """The arms by name: the one itself, or `<name>-1`, `<name>-2`, … of its `sweep`, which gives lists of
    values by dotted key, such as `algorithm.optimizer.learning_rate: [1.0e-4, 3.0e-4]`."""
    rest = {key: value for key, value in arm.items() if key != "sweep"}
    if "sweep" not in arm:
        return {name: rest}
    lists = _checked(arm["sweep"], what)
    found: dict[str, Json] = {}
    for number, values in enumerate(itertools.product(*lists.values()), start=1):
        chosen = dict(zip(lists, values, strict=True))
        one = rest
        for key, value in chosen.items():
            one = _with(one, key.split("."), value, what)
        found[f"{name}-{number}"] = one | {"label": f"{rest.get('label', name)}, {_named(chosen)}"}
    return found


def _checked(sweep: Any, what: str) -> dict[str, list[Any]]:
    if not isinstance(sweep, dict) or not all(
        isinstance(key, str) and isinstance(one, list) and one for key, one in sweep.items()
    ):
        raise InvalidArgument(
            f"{what}: sweep maps dotted keys to lists of values: write sweep: {{updates: [5, 10]}}"
        )
    return sweep


def _with(data: Mapping[str, Any], path: list[str], value: Any, what: str) -> Json:
    """A copy with another value at the path."""
    key, *deeper = path
    if not deeper:
        return {**data, key: value}
    inner = data.get(key, {})
    if not isinstance(inner, dict):
        raise InvalidArgument(
            f"{what}: sweep over {key}.{'.'.join(deeper)}, but {key} is a value, not a section"
        )
    return {**data, key: _with(inner, deeper, value, what)}


def _named(chosen: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.rpartition('.')[2].replace('_', ' ')} {_short(value)}" for key, value in chosen.items()
    )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
