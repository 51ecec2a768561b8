"""Which spaces can be played in words, and a player's words as a value of one."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces

LARGEST_BOX = 64
"""Numbers of a Box that are still told as numbers."""


class Illegal(ValueError):
    """Words that name no action; the message is for the player."""


def unsayable(space: Space) -> str:
    """Why values of the space are not told in words; empty where they are."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Text):
        return ""
    if isinstance(space, spaces.Box):
        count = math.prod(space.shape)
        return "" if count <= LARGEST_BOX else f"a Box of {count} numbers, more than {LARGEST_BOX}"
    if isinstance(space, spaces.Tuple):
        return next(filter(None, map(unsayable, space.spaces)), "")
    if isinstance(space, spaces.Dict):
        return next(filter(None, map(unsayable, space.spaces.values())), "")
    return f"a {type(space).__name__}"


def plain(value: Any) -> Any:
    """A value of a space as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def said(value: Any) -> str:
    """A value of a space in text."""
    told = plain(value)
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def asked_for(space: Space, names: Sequence[str]) -> str:
    """What a player is to write for a value of the space."""
    if isinstance(space, spaces.Discrete):
        if names:
            return "one of " + ", ".join(names)
        return f"a whole number from {space.start} to {space.start + space.n - 1}"
    if isinstance(space, spaces.Text):
        return f"a text of {space.min_length} to {space.max_length} characters"
    return "JSON: " + _json_form(space)


def _json_form(space: Space) -> str:
    if isinstance(space, spaces.Dict):
        return "{" + ", ".join(f'"{key}": {_json_form(one)}' for key, one in space.spaces.items()) + "}"
    if isinstance(space, spaces.Tuple):
        return "[" + ", ".join(map(_json_form, space.spaces)) + "]"
    if isinstance(space, spaces.Discrete | spaces.Text):
        return asked_for(space, ())
    if isinstance(space, spaces.MultiDiscrete):
        return f"whole numbers below {said(space.nvec)}"
    if isinstance(space, spaces.MultiBinary):
        return f"zeros and ones, of the shape {said(space.shape)}"
    assert isinstance(space, spaces.Box)  # noqa: S101 — no other is sayable
    return f"numbers from {said(space.low)} to {said(space.high)}"


def read(space: Space, text: str, names: Sequence[str]) -> Any:
    """The value that the text stands for; Illegal where it stands for none."""
    if isinstance(space, spaces.Text):
        return _checked(space, text, text)
    if isinstance(space, spaces.Discrete) and text.lower() in names:
        return space.start + list(names).index(text.lower())
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Illegal(_expected(space, text, names)) from None
    return _checked(space, _valued(space, value), text, names)


def _checked(space: Space, value: Any, text: str, names: Sequence[str] = ()) -> Any:
    if value is None or value not in space:
        raise Illegal(_expected(space, text, names))
    return value


def _expected(space: Space, text: str, names: Sequence[str]) -> str:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return f"{shown!r} is not {asked_for(space, names)}"


def _valued(space: Space, value: Any) -> Any:
    """JSON as a value that may be in the space; None where it cannot be."""
    if isinstance(space, spaces.Dict):
        if not isinstance(value, dict) or value.keys() != space.spaces.keys():
            return None
        return {key: _valued(inner, value[key]) for key, inner in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        if not isinstance(value, list) or len(value) != len(space.spaces):
            return None
        return tuple(_valued(inner, one) for inner, one in zip(space.spaces, value, strict=True))
    if isinstance(space, spaces.Discrete):
        return value if type(value) is int else None
    return value if isinstance(space, spaces.Text) else _array(space, value)


def _array(space: Space, value: Any) -> Any:
    """A finite array of the space's kind; None where whole numbers would change to fit."""
    try:
        exact = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    if exact.dtype.kind not in "iuf" or not np.isfinite(exact).all():
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        array = exact.astype(space.dtype)
    changed = array.dtype.kind in "iu" and not np.array_equal(array, exact)
    return None if changed else array
