"""Versions that are adapters: over the model that they were trained with, in a model of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from farfield_kernel.adapters import model_digest
from farfield_kernel.errors import FailedPrecondition
from farfield_model import adapter_files, lora
from farfield_model.loading import load_module
from farfield_policy.embedded.model import Chunk, Model, load, load_beside

CONTEXT = 64


@pytest.fixture(scope="module")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that changes what the model says."""
    return adapter_over(checkpoint, tmp_path_factory.mktemp("adapter"))


def adapter_over(base: Path, folder: Path) -> Path:
    module, shape = load_module(base), lora.Shape(2, 4, ("down_proj", "q_proj"))
    lora.attach(module, shape)
    lora.start(module, 1)
    for layer in lora.layers(module).values():
        torch.nn.init.normal_(layer.lora_B, std=0.5)
    pairs = lora.tensors_of(module, lambda one: one.detach())
    adapter_files.save(folder, shape, pairs, base, model_digest(base))
    module.config.save_pretrained(folder)
    return folder


def logits(model: Model) -> torch.Tensor:
    with torch.inference_mode():
        return model.logits([Chunk([5, 6, 7, 8])], 0).float()


def test_an_adapter_stands_beside_what_serves_and_gives_way_again(checkpoint: Path, adapter: Path) -> None:
    serving = load(str(checkpoint), CONTEXT)
    before = logits(serving)
    adapted = load_beside(str(adapter), serving)
    assert adapted.fused
    assert torch.equal(logits(serving), before)
    assert (logits(adapted) - before).abs().max() > 0.1
    assert torch.equal(logits(load_beside(str(adapter), adapted)), logits(adapted))
    assert torch.equal(logits(load_beside(str(checkpoint), adapted)), before)


def test_in_few_bits_it_is_not_rounded_into_the_weights(checkpoint: Path, adapter: Path) -> None:
    exact = logits(load_beside(str(adapter), load(str(checkpoint), CONTEXT)))
    serving = load(str(checkpoint), CONTEXT, dtype="bfloat16")
    adapted = load_beside(str(adapter), serving)
    assert lora.layers(adapted.module).keys()
    assert (logits(adapted) - exact).abs().max() < 0.05 * exact.abs().max()
    assert torch.equal(logits(load_beside(str(checkpoint), adapted)), logits(serving))


def test_an_adapter_over_another_model_is_refused(
    adapter: Path, tmp_path: Path, make_llama: Callable[[int], Any]
) -> None:
    """Also where the folder that it names holds other weights by now."""
    base = tmp_path / "base"
    make_llama(3).save_pretrained(base)
    stale = adapter_over(base, tmp_path / "stale")
    make_llama(4).save_pretrained(base)
    with pytest.raises(FailedPrecondition, match="put the model that the run started from there"):
        load_beside(str(stale), load(str(base), CONTEXT))
