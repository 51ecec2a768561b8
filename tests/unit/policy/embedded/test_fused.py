from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import (
    GraniteConfig,
    GraniteForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from farfield_policy.embedded.fused import attend_one, fuse

SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_one_query_attends_as_torch_does(shared: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, 4, 8, generator=generator)
    keys = torch.randn(3, shared, 12, 8, generator=generator)[:, :, :9]  # a view, as the cache gives it
    values = torch.randn(3, shared, 12, 8, generator=generator)[:, :, :9]
    mask = torch.zeros(3, 1, 1, 9)
    mask[1, :, :, 4:] = torch.finfo(torch.float32).min
    expected = functional.scaled_dot_product_attention(
        query[:, :, None], keys, values, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    mixed = attend_one(query, keys, values, mask, 0.3).view(3, 4, 8)
    assert torch.allclose(mixed, expected[:, :, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        (MistralForCausalLM, MistralConfig(**SMALL, sliding_window=None)),
        (Qwen2ForCausalLM, Qwen2Config(**SMALL)),
        (MistralForCausalLM, MistralConfig(**SMALL, tie_word_embeddings=True)),
    ],
)
def test_models_built_like_llama_are_fused(architecture: type, config: Any) -> None:
    torch.manual_seed(0)
    module = architecture(config).eval()
    for name, values in module.named_parameters():
        if name.endswith("bias"):  # they start as zeros, which would hide a missing one
            torch.nn.init.normal_(values)
    module.requires_grad_(False)
    assert fuse(module, 64) is not None


def test_a_model_that_computes_something_else_is_found_out() -> None:
    """Granite has Llama's parts, and scales what they give."""
    torch.manual_seed(0)
    config = GraniteConfig(**SMALL, residual_multiplier=0.3, logits_scaling=2.0)
    assert fuse(GraniteForCausalLM(config).eval().requires_grad_(False), 64) is None


def test_fusing_leaves_the_model_as_it_was(make_llama: Callable[[int], Any]) -> None:
    module = make_llama(0).eval().requires_grad_(False)
    ids = torch.arange(5, 15)[None]
    before, parameters = module(input_ids=ids).logits, sum(one.numel() for one in module.parameters())
    assert fuse(module, 64) is not None
    assert torch.equal(module(input_ids=ids).logits, before)
    assert sum(one.numel() for one in module.parameters()) == parameters


def test_half_precision_is_left_to_transformers(make_llama: Callable[[int], Any]) -> None:
    assert fuse(make_llama(0).to(torch.bfloat16), 64) is None
