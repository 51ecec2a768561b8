"""The tensors of a GGUF file of the Llama family, under the names and in the layout of transformers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from torch import Tensor
from transformers import LlamaConfig

_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def field(reader: GGUFReader, key: str) -> Any:
    """A value of the file's metadata."""
    return reader.fields[key].contents()


def config_of(reader: GGUFReader) -> LlamaConfig:
    heads = int(field(reader, "llama.attention.head_count"))
    hidden = int(field(reader, "llama.embedding_length"))
    return LlamaConfig(
        vocab_size=int(field(reader, "llama.vocab_size")),
        hidden_size=hidden,
        intermediate_size=int(field(reader, "llama.feed_forward_length")),
        num_hidden_layers=int(field(reader, "llama.block_count")),
        num_attention_heads=heads,
        num_key_value_heads=int(field(reader, "llama.attention.head_count_kv")),
        head_dim=hidden // heads,
        max_position_embeddings=int(field(reader, "llama.context_length")),
        rope_parameters={"rope_type": "default", "rope_theta": float(field(reader, "llama.rope.freq_base"))},
        rms_norm_eps=float(f"{field(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),  # of a float32
        bos_token_id=int(field(reader, "tokenizer.ggml.bos_token_id")),
        eos_token_id=int(field(reader, "tokenizer.ggml.eos_token_id")),
        pad_token_id=int(field(reader, "tokenizer.ggml.padding_token_id")),
        tie_word_embeddings=all(tensor.name != "output.weight" for tensor in reader.tensors),
    )


def tensors(reader: GGUFReader, config: LlamaConfig) -> Iterator[tuple[str, Tensor]]:
    """By the names of `LlamaForCausalLM`, in float32."""
    for stored in reader.tensors:
        values = dequantize(stored.data, stored.tensor_type)
        if stored.name.endswith("attn_q.weight"):
            values = halves(values, config.num_attention_heads)
        if stored.name.endswith("attn_k.weight"):
            values = halves(values, config.num_key_value_heads)
        yield name_of(stored.name), torch.from_numpy(np.array(values, np.float32))


def halves(values: Any, heads: int) -> Any:
    """Rows of each head [heads * size, in] as transformers rotates them. In GGUF the two coordinates that one
    angle turns are neighbours; there the one lies in the first half of a head, the other in the second."""
    return values.reshape(heads, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)


def name_of(stored: str) -> str:
    if stored in _NAMES:
        return _NAMES[stored]
    _, block, part, kind = stored.split(".")
    return f"model.layers.{block}.{_IN_BLOCK[part]}.{kind}"
