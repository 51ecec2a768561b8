"""Bytes that wait for the backward pass, of a layer of a Llama in bfloat16 over float32 weights.

Counted, not timed: every storage that autograd saves, once, without the weights themselves. The layer has the
proportions of Llama-3.2-11B's (four query heads to one of keys and values, an MLP 3.5 times as wide), in
small; what one more layer adds is what a layer keeps.

    python -m benchmarks.training.activations
"""

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from farfield_trainer.learning.model import Policy
from farfield_trainer.learning.packing import pack

HIDDEN = 128
TOKENS = 96


def model_of(layers: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=HIDDEN,
            intermediate_size=HIDDEN * 7 // 2,
            num_hidden_layers=layers,
            num_attention_heads=8,
            num_key_value_heads=2,
        )
    )


def saved(layers: int, tokens: int) -> int:
    """Bytes after the forward pass of one sequence."""
    policy = Policy(model_of(layers), with_values=False, autocast=True)
    ids = np.random.default_rng(0).integers(2, 64, tokens).tolist()
    (micro,) = pack([ids], [0], tokens, share=False, token_cost=6 * HIDDEN)
    own = {item.untyped_storage().data_ptr() for item in policy.parameters()}
    found: dict[int, int] = {}
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)  # so that no other takes its place
        return tensor

    places = torch.arange(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy(micro, places, places, torch.ones(1), places)
    return sum(found.values())


def layer(tokens: int) -> int:
    return saved(3, tokens) - saved(2, tokens)


def main() -> None:
    weights = sum(item.numel() for item in model_of(1).model.layers[0].parameters() if item.ndim == 2)
    few, many = layer(TOKENS), layer(2 * TOKENS)
    per_token = (many - few) / TOKENS
    print(f"a token: {per_token / HIDDEN:.1f} bytes for each unit of the hidden size")
    print(f"a weight: {(few - per_token * TOKENS) / weights:.2f} bytes")


if __name__ == "__main__":
    main()
