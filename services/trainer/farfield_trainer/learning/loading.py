"""From a run's base to what is trained, and to what it is held against."""

from pathlib import Path
from typing import Any

import torch

from farfield_kernel.errors import FailedPrecondition
from farfield_model import lora
from farfield_model.loading import load_module
from farfield_model.vision import vision_of
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.layers import recompute
from farfield_trainer.learning.model import Policy
from farfield_trainer.learning.ranks import Alone
from farfield_trainer.learning.reference import Reference


def load_policy(
    config: LearnerConfig, base: Path, seed: int, device: torch.device, ranks: Alone
) -> tuple[Policy, lora.Shape | None]:
    """What is trained, and the shape of its adapter, if the run trains one."""
    module = _module(config, base, device, ranks)
    shape = None
    if config.lora:
        targets = lora.names_of(module, config.lora.target_modules)
        shape = lora.Shape(config.lora.rank, config.lora.alpha, targets)
        lora.attach(module, shape)
        lora.start(module, seed)
    if config.gradient_checkpointing:
        recompute(module)
    policy = Policy(
        module,
        with_values=config.advantage.needs_values,
        autocast=config.precision == "bf16",
        vision=vision_of(base, module),
    )
    ranks.spread(policy)
    return policy, shape


def load_reference(
    config: LearnerConfig, base: Path, policy: Policy, device: torch.device, ranks: Alone
) -> Reference | None:
    """None where the run has no KL term. Below an adapter the base is there already. FailedPrecondition for a
    checkpoint of another vocabulary."""
    if not config.kl.needs_reference:
        return None
    if config.lora and config.kl.reference is None:
        return Reference.within(policy)
    module = _module(config, config.kl.reference or base, device, ranks)
    _check_words(module, policy, config.kl.reference)
    apart = Policy(module, with_values=False, autocast=policy.autocast, vision=policy.vision)
    ranks.spread(apart)
    return Reference.apart(apart)


def _check_words(module: Any, policy: Policy, folder: Path | None) -> None:
    theirs, ours = (one.get_input_embeddings().num_embeddings for one in (module, policy.model))
    if theirs != ours:
        raise FailedPrecondition(
            f"kl.reference: {folder} has a vocabulary of {theirs} words, and the base one of {ours}"
        )


def _module(config: LearnerConfig, base: Path, device: torch.device, ranks: Alone) -> Any:
    """With float32 weights below bfloat16 arithmetic too."""
    dtype = "float64" if config.precision == "fp64" else "float32"
    return load_module(base, dtype, str(ranks.loads_on(device)))
