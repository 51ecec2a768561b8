"""Layers that are computed again on the way back: the same gradients, of less that was kept."""

from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from farfield_model import lora
from farfield_model.loading import load_module
from farfield_trainer.learning.layers import recompute

IDS = torch.tensor([[3, 5, 6, 7, 4, 8, 9, 10, 11, 1] * 6])


def module_of(checkpoint: Path, adapter: bool) -> torch.nn.Module:
    module = load_module(checkpoint, "float64").eval()
    if adapter:
        lora.attach(module, lora.Shape(2, 6, ("q_proj", "down_proj")))
        lora.start(module, 5)
    return module


def learned(module: torch.nn.Module) -> tuple[int, dict[str, torch.Tensor]]:
    """The bytes kept for the way back, beside the weights, and the gradients."""
    weights = {item.untyped_storage().data_ptr() for item in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = module(IDS, labels=IDS, use_cache=False).loss
    loss.backward()
    return sum(kept.values()), {
        name: item.grad for name, item in module.named_parameters() if item.grad is not None
    }


@pytest.mark.parametrize("adapter", [False, True])
def test_gradients_are_the_same_of_less_that_is_kept(checkpoint: Path, adapter: bool) -> None:
    kept, expected = learned(module_of(checkpoint, adapter))
    module = module_of(checkpoint, adapter)
    recompute(module)
    fewer, gradients = learned(module)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-12, atol=1e-14)
    assert fewer < kept / 2


def test_weights_keep_their_names(checkpoint: Path) -> None:
    module = module_of(checkpoint, adapter=False)
    names = list(module.state_dict())
    recompute(module)
    assert list(module.state_dict()) == names
