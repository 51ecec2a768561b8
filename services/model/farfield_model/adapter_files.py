"""Adapters (LoRA) in files of peft's format, which peft and vLLM read too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from farfield_kernel.adapters import BASE_DIGEST, CONFIG, TENSORS
from farfield_kernel.errors import DataLoss, FailedPrecondition
from farfield_model.lora import Shape, attach, layers

_PREFIX = "base_model.model."
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "modules_to_save": (None, []),
    "use_dora": (False,),
    "fan_in_fan_out": (False,),
    "rank_pattern": ({},),
    "alpha_pattern": ({},),
}
"""Settings of peft that mean another mathematics, and their values that mean this one."""


def save(
    folder: Path, shape: Shape, tensors: Mapping[str, tuple[Tensor, Tensor]], base: Path, digest: str
) -> None:
    """`tensors`: A and B by the name of the layer; `base` and its digest: what they go over."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": shape.rank,
        "lora_alpha": shape.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(shape.targets),
        "bias": "none",
        "use_rslora": shape.root,
        "inference_mode": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=1))
    named: dict[str, Tensor] = {}
    for name, (a, b) in tensors.items():
        named[f"{_PREFIX}{name}.lora_A.weight"] = a.detach().cpu().contiguous()
        named[f"{_PREFIX}{name}.lora_B.weight"] = b.detach().cpu().contiguous()
    # One entry alone: several are written in any order, and the same weights are to have the same digest.
    save_file(named, folder / TENSORS, {BASE_DIGEST: digest})


def read(folder: Path) -> tuple[Shape, dict[str, tuple[Tensor, Tensor]]]:
    """What `save` or peft wrote. DataLoss where it is torn, FailedPrecondition for a kind of adapter that is
    another mathematics."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        stored = load_file(folder / TENSORS)
        shape = Shape(
            rank=int(config["r"]),
            alpha=float(config["lora_alpha"]),
            targets=tuple(config["target_modules"]),
            root=bool(config.get("use_rslora", False)),
        )
        names = sorted(key.removesuffix(".lora_A.weight") for key in stored if key.endswith(".lora_A.weight"))
        pairs = {
            name.removeprefix(_PREFIX): (stored[f"{name}.lora_A.weight"], stored[f"{name}.lora_B.weight"])
            for name in names
        }
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"the adapter in {folder} cannot be read: {error!r}") from error
    for key, plain in _PLAIN.items():
        if config.get(key, plain[0]) not in plain:
            raise FailedPrecondition(f"the adapter in {folder} has {key} {config[key]}; plain LoRA is served")
    if len(stored) != 2 * len(pairs):
        raise FailedPrecondition(f"{folder} has tensors that are no part of a LoRA: merge it with peft first")
    return shape, pairs


@torch.no_grad()
def merge(module: nn.Module, folder: Path) -> None:
    """Adds the adapter in a folder to the weights of a model: W + (alpha / rank) B A. FailedPrecondition for
    one that is of another model."""
    shape, pairs = read(folder)
    for name, (a, b) in pairs.items():
        weight = _fitting(module, name, a, b, folder)
        weight += (shape.scaling * (b.float() @ a.float())).to(weight)


@torch.no_grad()
def put_beside(module: nn.Module, folder: Path) -> None:
    """Keeps the adapter in a folder apart from the weights: where they have few bits, a sum would round it
    away."""
    shape, pairs = read(folder)
    for name, (a, b) in pairs.items():
        _fitting(module, name, a, b, folder)
    attach(module, shape)
    found = layers(module)
    if found.keys() != pairs.keys():
        raise FailedPrecondition(f"the adapter in {folder} is not beside every layer that its config names")
    for name, layer in found.items():
        layer.lora_A.copy_(pairs[name][0])
        layer.lora_B.copy_(pairs[name][1])


def _fitting(module: nn.Module, name: str, a: Tensor, b: Tensor, folder: Path) -> Tensor:
    try:
        weight = module.get_submodule(name).get_parameter("weight")
    except AttributeError:
        raise FailedPrecondition(
            f"the adapter in {folder} is for another model, with a layer {name}"
        ) from None
    if weight.shape != (b.shape[0], a.shape[1]):
        raise FailedPrecondition(
            f"the adapter in {folder} is for another model: its {name} is {b.shape[0]} by {a.shape[1]}, and "
            f"here {tuple(weight.shape)}"
        )
    return weight
