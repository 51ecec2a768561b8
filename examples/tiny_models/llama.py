"""The Llama that every tiny model is, or has inside."""

from collections.abc import Sequence

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tiny_models.words import END, PAD


def build_llama(words: Sequence[str], seed: int, longest: int = 512) -> LlamaForCausalLM:
    """Four layers of width 128 (0.85 M parameters), drawn at random, and a row for each of the words.
    `longest`: tokens of a conversation."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
        pad_token_id=words.index(PAD),
        eos_token_id=words.index(END),
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)
