"""The model in parts: FSDP2. Every rank keeps some rows of each weight, of its gradient and its moments.

The layers of the text model are gathered one at a time; everything else (embeddings, output head, value
head, the tower that sees images) for the length of a pass. So what a pass runs through only where there are
images is never waited for in a rank that has none.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.weights import sync
from farfield_trainer.learning.layers import layers_of
from farfield_trainer.learning.model import Policy, Scored
from farfield_trainer.learning.packing import MicroBatch
from farfield_trainer.learning.ranks import Pass
from farfield_trainer.learning.state import Stored, keyed, write_counters, write_tensors
from farfield_trainer.parallel import dealing
from farfield_trainer.parallel.channel import Channel
from farfield_trainer.parallel.ranks import Replicated, used_by_any

HALF = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
"""Layers are gathered in bfloat16, their gradients added up in float32; activations are left to autocast."""


class Sharded(Replicated):
    """Gradients are added up in each backward pass, so all ranks make equally many."""

    def __init__(self, channel: Channel, device: torch.device) -> None:
        super().__init__(channel)
        self._mesh = init_device_mesh(device.type, (channel.size,))
        self._used: set[int] = set()
        self._counting = True

    def loads_on(self, device: torch.device) -> torch.device:
        """The host, from where each device takes its rows."""
        return torch.device("cpu")

    def spread(self, policy: Policy) -> None:
        layers = layers_of(policy.model)
        check_apart(policy, layers)
        precision = HALF if policy.autocast else MixedPrecisionPolicy()
        for layer in layers:
            _add_up(fully_shard(layer, mesh=self._mesh, mp_policy=precision))
        _add_up(fully_shard(policy, mesh=self._mesh, reshard_after_forward=True))
        for unit in [*layers, policy]:
            self._watch(unit)

    def _watch(self, unit: nn.Module) -> None:
        """Has each parameter of a layer, or of what is left, tell when it gets a gradient. What it computes
        with exists from its first pass on."""
        parts = {name: item for name, item in unit.named_parameters() if isinstance(item, DTensor)}

        def begin(_unit: nn.Module, _inputs: Any) -> None:
            first.remove()
            for name, item in unit.named_parameters():
                if item.requires_grad and not isinstance(item, DTensor):
                    item.register_post_accumulate_grad_hook(partial(self._note, id(parts[name])))

        first = unit.register_forward_pre_hook(begin)

    def _note(self, parameter: int, _gathered: Tensor) -> None:
        if self._counting:
            self._used.add(parameter)

    def deal(self, micros: Sequence[MicroBatch], pairs_per_token: int) -> list[Pass]:
        return dealing.in_step(micros, pairs_per_token, self.size, self._channel.rank)

    def keep_step(self, scored: Scored) -> None:
        given = [item for item in (scored.logprobs, scored.values) if item is not None]
        self._counting = False
        torch.autograd.backward(given, [torch.zeros_like(item) for item in given])
        self._counting = True

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """They are summed already. A parameter that no rank used got zeros, and is to have none."""
        parameters = list(parameters)
        used = used_by_any([id(item) in self._used for item in parameters])
        self._used.clear()
        for item, is_used in zip(parameters, used, strict=True):
            if not is_used:
                item.grad = None

    def whole(self, tensor: Tensor) -> Tensor:
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    # State

    def write(self, folder: Path, state: dict[str, Any]) -> None:
        """Each rank its rows; what is not cut, rank 0."""
        rank, size = self._channel.rank, self.size
        folder.mkdir(parents=True, exist_ok=True)
        tensors, rows = {}, {}
        for key, item in keyed(state).items():
            if isinstance(item, DTensor):
                tensors[key] = item.to_local()
                rows[key] = (rows_of(item, rank, size)[0], item.shape[0])
            elif rank == 0:
                tensors[key] = item
        path = folder / f"learner-{rank:05d}-of-{size:05d}.safetensors"
        write_tensors(path, tensors, rows)
        sync(path)
        if rank == 0:
            write_counters(folder, state)

    def placed(self, stored: Stored, key: str, like: Tensor | None, device: torch.device) -> Tensor:
        if not isinstance(like, DTensor):
            return super().placed(stored, key, like, device)
        mine = stored.rows(key, *rows_of(like, self._channel.rank, self.size)).to(device, copy=True)
        return DTensor.from_local(
            mine, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
        )

    def gathered(self, tensor: Tensor) -> Tensor:
        """On the host."""
        whole = self.whole(tensor)
        return whole.cpu() if self.leads else torch.empty(0)


def _add_up(unit: FSDPModule) -> None:
    """Sums of gradients over ranks, not means; and of zeros where a rank did not use a parameter."""
    unit.set_gradient_divide_factor(1.0)
    unit.set_force_sum_reduction_for_comms(True)
    unit.set_reduce_scatter_unused_params(True, recurse=False)


def check_apart(policy: nn.Module, layers: Sequence[nn.Module]) -> None:
    """FailedPrecondition for a model that cannot be cut by rows and layers."""
    names = [name for name, module in policy.named_modules() if module in set(layers)]
    found: dict[int, tuple[str, str]] = {}
    for name, item in policy.named_parameters(remove_duplicate=False):
        layer = next((one for one in names if name.startswith(one + ".")), "")
        tied, home = found.setdefault(id(item), (name, layer))
        if home != layer:
            raise FailedPrecondition(
                f"fsdp2 gathers layers apart, and {name} is the same weight as {tied}: "
                "write parallel.kind: ddp"
            )
        if not item.ndim:
            raise FailedPrecondition(
                f"fsdp2 deals rows of weights, and {name} is one number: write parallel.kind: ddp"
            )


def rows_of(tensor: Tensor, rank: int, size: int) -> tuple[int, int]:
    """The rows of a tensor that FSDP2 leaves with a rank, as `torch.chunk` cuts them."""
    total = tensor.shape[0]
    each = -(-total // size)
    return min(rank * each, total), min((rank + 1) * each, total)
