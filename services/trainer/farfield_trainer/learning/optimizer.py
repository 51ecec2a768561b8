"""AdamW as the learner uses it: learning-rate schedule, clipping, and a state of named tensors."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from farfield_kernel.errors import DataLoss
from farfield_trainer.learning.algorithm_config import OptimizerConfig

VALUE = "value."
"""What the names of the value head's parameters begin with."""
STEP = "step"
"""The part of a parameter's state that is one number."""


def learning_rate(step: int, config: OptimizerConfig) -> float:
    """The rate of optimizer step `step`, counted from 0."""
    peak, floor = config.learning_rate, config.min_learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return peak
    done = min(1.0, (step - config.warmup_steps) / (config.total_steps - config.warmup_steps))
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


def _groups(named: Mapping[str, Tensor], decay: float, faster: float) -> Iterator[dict[str, Any]]:
    """Matrices decay; the value head learns so many times as fast."""
    for in_head in (False, True):
        for is_matrix in (True, False):
            chosen = [
                item
                for name, item in named.items()
                if name.startswith(VALUE) is in_head and (item.ndim > 1) is is_matrix
            ]
            if chosen:
                scale = faster if in_head else 1.0
                yield {"params": chosen, "weight_decay": decay if is_matrix else 0.0, "scale": scale}


class Optimizer:
    """Steps the parameters of a module along their gradients."""

    def __init__(
        self,
        module: nn.Module,
        config: OptimizerConfig,
        whole: Callable[[Tensor], Tensor] = lambda one: one,
        value_rate: float | None = None,
    ) -> None:
        """`whole`: how the norm of all gradients is had where the parameters lie in parts. `value_rate`: the
        learning rate of the value head, if it has one of its own."""
        self._config = config
        self._whole = whole
        self._named = {name: item for name, item in module.named_parameters() if item.requires_grad}
        faster = value_rate / config.learning_rate if value_rate else 1.0
        self._adam = torch.optim.AdamW(
            list(_groups(self._named, config.weight_decay, faster)),
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            fused=True,
        )

    @property
    def parameters(self) -> Iterable[Tensor]:
        return self._named.values()

    def step(self, step: int) -> dict[str, float]:
        """Applies and clears the gradients. A gradient that is not finite changes nothing and is counted."""
        clipped = nn.utils.clip_grad_norm_(self._named.values(), self._config.max_grad_norm)
        norm = self._whole(clipped).item()
        rate = learning_rate(step, self._config)
        for group in self._adam.param_groups:
            group["lr"] = rate * group["scale"]
        finite = math.isfinite(norm)
        if finite:
            self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return {"grad_norm": norm, "learning_rate": rate, "nonfinite_steps": 0.0 if finite else 1.0}

    def state(self) -> dict[str, Tensor]:
        """`name/key` -> tensor for every parameter that has been stepped; not a copy."""
        return {
            f"{name}/{key}": torch.as_tensor(value)
            for name, item in self._named.items()
            for key, value in self._adam.state.get(item, {}).items()
        }

    def load_state(self, state: Iterable[tuple[str, Tensor]]) -> None:
        """What `state` gave, on the parameters' device. The tensors are taken as they are."""
        self._adam.state.clear()
        for path, value in state:
            name, _, key = path.rpartition("/")
            if name not in self._named:
                raise DataLoss(f"the optimizer state names a parameter that the model has not: {name}")
            self._adam.state[self._named[name]][key] = value
