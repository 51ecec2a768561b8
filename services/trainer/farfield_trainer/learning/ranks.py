"""The processes that share an update: here one that has it all, in `farfield_trainer.parallel` several.

Every process knows the whole batch: statistics, weights and shuffles are computed everywhere and alike. Only
forward and backward passes are dealt out; what they give is put together again by the methods here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from farfield_trainer.learning.meter import Readings
from farfield_trainer.learning.model import Policy, Scored
from farfield_trainer.learning.packing import MicroBatch
from farfield_trainer.learning.state import Stored, write


@dataclass(frozen=True, slots=True)
class Pass:
    """A micro-batch that this process computes. One that does not count is there to keep step with the
    others: it is computed, and what comes out is dropped."""

    micro: MicroBatch
    counts: bool = True


class Alone:
    """A single process: nothing is dealt, nothing is put together."""

    size = 1
    """How many they are."""
    leads = True
    """Whether this is the one that writes what all of them have."""

    def loads_on(self, device: torch.device) -> torch.device:
        """Where a model is loaded before it is spread."""
        return device

    def spread(self, policy: Policy) -> None:
        """Readies a model that is about to be trained, or asked, by all processes together."""

    def budget(self, tokens: int, most: int) -> int:
        """Tokens of one micro-batch where a step has `tokens` in all and a pass takes `most`."""
        return most

    def deal(self, micros: Sequence[MicroBatch], pairs_per_token: int) -> list[Pass]:
        """This process's part of the micro-batches; `pairs_per_token` as in `pack`."""
        return [Pass(micro) for micro in micros]

    def keep_step(self, scored: Scored) -> None:
        """The backward pass of one that does not count: it adds nothing."""

    def put_together(self, *parts: Tensor | None) -> None:
        """Adds up in place what each process has filled where its part was, and left 0 elsewhere."""

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Makes the gradients those of the whole step."""

    def merged(self, readings: Readings) -> Readings:
        """The readings of all processes."""
        return readings

    def whole(self, tensor: Tensor) -> Tensor:
        """A tensor of the model or the optimizer with all its rows."""
        return tensor

    def write(self, folder: Path, state: dict[str, Any]) -> None:
        """Writes a state as `Learner.save` does."""
        write(folder, state)

    def gathered(self, tensor: Tensor) -> Tensor:
        """A tensor with all its rows where it is needed: in the process that leads. Nothing elsewhere."""
        return tensor

    def placed(self, stored: Stored, key: str, like: Tensor | None, device: torch.device) -> Tensor:
        """A stored tensor as this process keeps it: laid out as `like`, and in memory of its own."""
        return stored.rows(key).to(device, copy=True)
