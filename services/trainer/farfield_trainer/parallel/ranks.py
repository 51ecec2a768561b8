"""What ranks do together in an update: `Replicated` holds the model whole, `Sharded` in parts.

The loss is a sum under weights that belong to the whole step, so gradients are added up over ranks and never
divided by their number. A parameter that no rank used has no gradient, as in one process: the optimizer
leaves it alone.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from farfield_trainer.learning.meter import Readings, merged
from farfield_trainer.learning.packing import MicroBatch
from farfield_trainer.learning.ranks import Alone, Pass
from farfield_trainer.parallel import dealing
from farfield_trainer.parallel.channel import Channel, sum_in_buckets


class Replicated(Alone):
    """Every rank has the model and the optimizer. Gradients are added up once per optimizer step."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.size = channel.size
        self.leads = channel.rank == 0

    def budget(self, tokens: int, most: int) -> int:
        return dealing.budget(tokens, most, self.size)

    def deal(self, micros: Sequence[MicroBatch], pairs_per_token: int) -> list[Pass]:
        costs = [dealing.cost(micro, pairs_per_token) for micro in micros]
        places = dealing.balanced(costs, self.size)[self._channel.rank]
        return [Pass(micros[place]) for place in places]

    def put_together(self, *parts: Tensor | None) -> None:
        sum_in_buckets(part for part in parts if part is not None)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        parameters = list(parameters)
        used = used_by_any([item.grad is not None for item in parameters])
        with_gradient = [item for item, is_used in zip(parameters, used, strict=True) if is_used]
        for item in with_gradient:
            if item.grad is None:
                item.grad = torch.zeros_like(item)
        sum_in_buckets(item.grad for item in with_gradient if item.grad is not None)

    def merged(self, readings: Readings) -> Readings:
        given = self._channel.exchange(json.dumps(asdict(readings)).encode())
        return merged([Readings(**json.loads(data)) for data in given])

    def write(self, folder: Path, state: dict[str, Any]) -> None:
        if self.leads:
            super().write(folder, state)


def used_by_any(used: Sequence[bool]) -> list[bool]:
    """For each parameter, whether any rank used it."""
    flags = torch.tensor(used, dtype=torch.uint8)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return flags.bool().tolist()
