"""The Llama that every tiny model is, or has inside."""

from collections.abc import Sequence

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tiny_models.words import END, PAD


def build_llama(
    words: Sequence[str], seed: int, longest: int = 512, width: int = 128, layers: int = 4
) -> LlamaForCausalLM:
    """Weights drawn at random (0.85 M parameters unless said otherwise), and a row for each of the words.
    `longest`: tokens of a conversation."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
        pad_token_id=words.index(PAD),
        eos_token_id=words.index(END),
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)
