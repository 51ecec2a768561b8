"""AdamW as the learner uses it: learning-rate schedule, clipping, and a state of named tensors."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from farfield_kernel.errors import DataLoss
from farfield_trainer.learning.algorithm_config import OptimizerConfig


def learning_rate(step: int, config: OptimizerConfig) -> float:
    """The rate of optimizer step `step`, counted from 0."""
    peak, floor = config.learning_rate, config.min_learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return peak
    done = min(1.0, (step - config.warmup_steps) / (config.total_steps - config.warmup_steps))
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


STEP = "step"
"""The part of a parameter's state that is one number."""


class Optimizer:
    """Steps the parameters of a module along their gradients."""

    def __init__(
        self, module: nn.Module, config: OptimizerConfig, whole: Callable[[Tensor], Tensor] = lambda one: one
    ) -> None:
        """`whole`: how the norm of all gradients is had where the parameters lie in parts."""
        self._config = config
        self._whole = whole
        self._named = {name: item for name, item in module.named_parameters() if item.requires_grad}
        matrices = [item for item in self._named.values() if item.ndim > 1]
        vectors = [item for item in self._named.values() if item.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(
            [group for group in groups if group["params"]],
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
            group["lr"] = rate
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
