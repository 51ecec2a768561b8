"""How a command ended on every rank: all of them know, and rank 0 raises what any of them met."""

import json
from collections.abc import Callable
from typing import TypeVar

from safetensors import SafetensorError

from farfield_kernel import errors
from farfield_kernel.errors import FarfieldError
from farfield_trainer.parallel.channel import Channel

T = TypeVar("T")

EXPECTED = (FarfieldError, OSError, SafetensorError)
"""Errors that a learner may meet and be used again: those of the domain, and of the disk."""


def concluded(channel: Channel, call: Callable[[], T]) -> T:
    """The call's result once every rank has done its own. Raises this rank's error, else another's."""
    error: Exception | None = None
    try:
        result = call()
    except EXPECTED as raised:
        error = raised
    said = channel.exchange(_described(error) if error else b"")
    if error:
        raise error
    for rank, text in enumerate(said):
        if text:
            raise _raised_by(rank, text)
    return result


def _described(error: Exception) -> bytes:
    return json.dumps([type(error).__name__, str(error)]).encode()


def _raised_by(rank: int, text: bytes) -> Exception:
    name, message = json.loads(text)
    kind = getattr(errors, name, OSError)
    return kind(f"rank {rank}: {message}")
