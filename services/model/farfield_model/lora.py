"""Low-rank adapters (LoRA, arXiv 2106.09685): y = W x + b + (alpha / rank) B A x, with W and b frozen.

B starts as zeros: a fresh adapter changes nothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from farfield_kernel.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Shape:
    """What an adapter is besides its numbers. `targets`: last parts of the names of linear layers."""

    rank: int
    alpha: float
    targets: tuple[str, ...]
    root: bool = False
    """Scaled by alpha / sqrt(rank) (rsLoRA)."""

    @property
    def scaling(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.root else self.rank)


class LoraLinear(nn.Module):
    """A linear layer with an adapter beside it. It takes over the layer's own weight, under the same name."""

    def __init__(self, linear: nn.Linear, shape: Shape) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.scaling, self.on = shape.scaling, True
        self.lora_A = nn.Parameter(linear.weight.new_zeros(shape.rank, linear.in_features))
        self.lora_B = nn.Parameter(linear.weight.new_zeros(linear.out_features, shape.rank))

    def forward(self, inputs: Tensor) -> Tensor:
        out = functional.linear(inputs, self.weight, self.bias)
        if not self.on:
            return out
        return out + self.scaling * functional.linear(functional.linear(inputs, self.lora_A), self.lora_B)


def attach(module: nn.Module, shape: Shape) -> None:
    """Freezes a model and puts a fresh adapter beside each layer that `shape` names. InvalidArgument for a
    name that no linear layer of the text model has."""
    found = linears(module)
    present = {name.rpartition(".")[2] for name in found}
    if unknown := sorted(set(shape.targets) - present):
        raise InvalidArgument(
            f"lora.target_modules: the model has no linear layer '{unknown[0]}'; it has "
            f"{', '.join(sorted(present))}"
        )
    module.requires_grad_(False)
    for name, linear in found.items():
        parent, _, last = name.rpartition(".")
        if last in shape.targets:
            setattr(module.get_submodule(parent), last, LoraLinear(linear, shape))


def start(module: nn.Module, seed: int) -> None:
    """Draws A as peft does (uniform, up to 1 / sqrt(in)): the same on any device and in any process."""
    draws = torch.Generator().manual_seed(seed)
    for layer in layers(module).values():
        most = 1 / math.sqrt(layer.lora_A.shape[1])
        drawn = torch.empty(layer.lora_A.shape).uniform_(-most, most, generator=draws)
        with torch.no_grad():
            layer.lora_A.copy_(drawn)


def linears(module: Any) -> dict[str, nn.Linear]:
    """Linear layers of the text model's layers by their names in the model: neither the output head nor a
    tower that sees images."""
    layers_of_text = {id(one) for one in module.get_decoder().modules() if isinstance(one, nn.Linear)}
    return {
        name: one
        for name, one in module.named_modules()
        if id(one) in layers_of_text and isinstance(one, nn.Linear)
    }


def layers(module: nn.Module) -> dict[str, LoraLinear]:
    """By their names in the model."""
    return {name: one for name, one in module.named_modules() if isinstance(one, LoraLinear)}


@contextmanager
def switched_off(module: nn.Module) -> Iterator[None]:
    """The model without its adapter, for the length of a block."""
    found = layers(module).values()
    for layer in found:
        layer.on = False
    try:
        yield
    finally:
        for layer in found:
            layer.on = True


def tensors_of(module: nn.Module, whole: Callable[[Tensor], Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B by layer; `whole`: how all rows of one are had where the model lies in parts."""
    return {name: (whole(one.lora_A), whole(one.lora_B)) for name, one in layers(module).items()}


def names_of(module: nn.Module, chosen: Sequence[str]) -> tuple[str, ...]:
    """`chosen`; of an empty choice every linear layer of the text model."""
    return tuple(chosen) or tuple(sorted({name.rpartition(".")[2] for name in linears(module)}))
