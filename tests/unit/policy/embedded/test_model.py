from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, MambaConfig, MistralConfig

from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_policy.embedded.model import (
    Chunk,
    Model,
    check_supported,
    context_limit,
    load,
    load_beside,
    padded,
)


def logits(model: Model) -> torch.Tensor:
    with torch.inference_mode():
        return model.logits([Chunk([5, 6, 7, 8])], 0)


def test_a_folder_is_loaded(checkpoint: Path, make_llama: Callable[[int], Any]) -> None:
    model = load(str(checkpoint), 64)
    assert model.dtype == torch.float32
    assert model.max_context == 64
    assert model.fused
    assert torch.equal(logits(model), logits(Model(make_llama(0), 64)))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=str(tmp_path)):
        load(str(tmp_path), 64)


@pytest.mark.parametrize("fused", [True, False])
def test_new_weights_stand_beside_the_old(
    tmp_path: Path, make_llama: Callable[[int], Any], fused: bool
) -> None:
    serving = Model(make_llama(0), 64, fused)
    before = logits(serving)
    make_llama(5).save_pretrained(tmp_path)
    beside = load_beside(str(tmp_path), serving)
    assert torch.equal(logits(serving), before)
    assert torch.equal(logits(beside), logits(Model(make_llama(5), 64, fused)))
    assert beside.fused == fused


def test_weights_under_other_names_go_through_transformers(
    tmp_path: Path, make_llama: Callable[[int], Any]
) -> None:
    """A body saved without the head's prefix is what transformers reads, and the loop's shortcut cannot."""
    make_llama(5).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    renamed = {name.removeprefix("model."): values for name, values in state.items()}
    save_file(renamed, tmp_path / "model.safetensors", {"format": "pt"})
    beside = load_beside(str(tmp_path), Model(make_llama(0), 64))
    assert torch.allclose(logits(beside), logits(Model(make_llama(5), 64)), atol=1e-6)


def test_another_architecture_is_refused(tmp_path: Path, make_llama: Callable[[int], Any]) -> None:
    config = LlamaConfig(**{**make_llama(0).config.to_dict(), "num_hidden_layers": 1})
    type(make_llama(0))(config).save_pretrained(tmp_path)
    with pytest.raises(FailedPrecondition, match="another architecture"):
        load_beside(str(tmp_path), Model(make_llama(0), 64))


def test_a_folder_without_weights_is_named(tmp_path: Path, make_llama: Callable[[int], Any]) -> None:
    with pytest.raises(NotFound, match="safetensors"):
        load_beside(str(tmp_path), Model(make_llama(0), 64))


def test_the_context_ends_where_a_window_begins_to_slide() -> None:
    assert context_limit(LlamaConfig(max_position_embeddings=512)) == 512
    assert context_limit(MistralConfig(max_position_embeddings=512, sliding_window=64)) == 64
    assert context_limit(MistralConfig(max_position_embeddings=512, sliding_window=None)) == 512


def test_a_model_that_a_slot_cache_cannot_serve_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="mamba"):
        check_supported(MambaConfig(), {"input_ids", "cache_params"})


def test_padding_stands_on_the_right() -> None:
    assert padded([[5], [6, 7]], torch.device("cpu")).tolist() == [[5, 0], [6, 7]]
