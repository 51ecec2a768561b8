"""Supervised fine-tuning: demonstrations as token sequences with a loss weight per token."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SupervisedSample:
    """One conversation to imitate.

    `messages` are (role, text) pairs with role "system", "user" or "assistant"; `weights` holds the loss
    weight of each assistant message, in order (empty: 1 each).
    """

    messages: Sequence[tuple[str, str]]
    weights: Sequence[float] = ()
