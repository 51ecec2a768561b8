"""What a run publishes of its learner: a whole model in Hugging Face format, or an adapter in peft's."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from farfield_kernel.adapters import model_digest
from farfield_kernel.errors import DataLoss
from farfield_model import adapter_files, lora
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.ranks import Alone


class Publication:
    """Versions of one learner's model. Collective: every rank calls, the one that leads writes."""

    def __init__(self, config: LearnerConfig, base: Path, shape: lora.Shape | None) -> None:
        """`shape`: of the adapter, where one is trained."""
        self._adapter = shape if config.lora and config.lora.publish == "adapter" else None
        self._base = base.resolve()
        self.base_digest = model_digest(base) if shape else ""
        self.dtype = _base_dtype(base) if self._adapter else _dtype(config, base)
        """Of the model that a version is, or that it goes over."""

    def check(self, folder: Path, digest: str) -> None:
        """DataLoss where the state in a folder, of a run over a base with this digest (none: of all weights),
        is not of this run: an adapter is nothing without the model below it."""
        if digest != self.base_digest:
            raise DataLoss(
                f"the state in {folder} is of {_named(digest)}, and this run trains "
                f"{_named(self.base_digest)}: put back the base, or what the run's config said of lora"
            )

    def write(self, model: Any, ranks: Alone, folder: Path) -> None:
        """Without tokenizer."""
        if self._adapter is None:
            self._write_whole(model, ranks, folder)
            return
        tensors = lora.tensors_of(model, ranks.gathered)
        if ranks.leads:
            adapter_files.save(folder, self._adapter, tensors, self._base, self.base_digest)
            self._write_configs(model, folder)

    def _write_whole(self, model: Any, ranks: Alone, folder: Path) -> None:
        """Gathers one tensor after the other, and adds to each what an adapter adds."""
        whole: dict[str, Tensor] = {}
        seen: dict[int, Tensor] = {}  # a tensor that is there under two names stays one
        adapted = lora.layers(model)
        for name, item in model.state_dict(keep_vars=True).items():
            if name.endswith((".lora_A", ".lora_B")):
                continue
            if id(item) not in seen:
                gathered = ranks.gathered(item.detach())
                owner, _, part = name.rpartition(".")
                if part == "weight" and owner in adapted:
                    gathered = _merged(gathered, adapted[owner], ranks)
                seen[id(item)] = gathered.to(self.dtype) if gathered.is_floating_point() else gathered
            whole[name] = seen[id(item)]
        if ranks.leads:
            model.save_pretrained(folder, state_dict=whole)
            self._write_configs(model, folder)

    def _write_configs(self, model: Any, folder: Path) -> None:
        """So that the folder says by itself what model it is."""
        config, own = model.config, model.config.dtype
        config.dtype = self.dtype
        config.save_pretrained(folder)
        config.dtype = own
        model.generation_config.save_pretrained(folder)


def _named(base_digest: str) -> str:
    return f"an adapter over {base_digest[:12]}" if base_digest else "all weights"


def _merged(weight: Tensor, layer: lora.LoraLinear, ranks: Alone) -> Tensor:
    a, b = (ranks.gathered(item.detach()) for item in (layer.lora_A, layer.lora_B))
    return torch.addmm(weight, b, a, alpha=layer.scaling) if ranks.leads else weight


def _dtype(config: LearnerConfig, base: Path) -> torch.dtype:
    if config.publish_dtype == "float32" or (config.publish_dtype == "auto" and config.precision != "bf16"):
        return torch.float32
    return _base_dtype(base)


def _base_dtype(base: Path) -> torch.dtype:
    return AutoConfig.from_pretrained(base).dtype or torch.float32
