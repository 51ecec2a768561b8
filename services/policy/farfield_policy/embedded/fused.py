"""A leaner forward pass for models built like Llama: the same weights and mathematics in fewer operations.

At the sizes that train on a CPU half of a decode step is overhead between matrix products. Here the
projections of one input are one product, rotations come from a table, and a step's attention is two batched
products. Whether a model is built so is found out by its parts, and then by trying: `fuse` compares logits
with the model's own forward pass and returns None where anything differs, so that the model's own serves.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from farfield_policy.embedded.kv_cache import SlotCache

_STATIC_ROTATIONS = {"default", "linear", "llama3", "yarn"}
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Block:
    """Weights of one layer. `qkv` and `gate_up` are what the module's own projections are views of."""

    index: int
    norm: nn.Module
    qkv: Tensor
    qkv_bias: Tensor | None
    query_norm: nn.Module | None
    key_norm: nn.Module | None
    output: nn.Module
    mlp_norm: nn.Module
    gate_up: Tensor
    activation: nn.Module
    down: nn.Module
    scaling: float


class Fused:
    """Forward passes with a slot cache; shapes as in `Model`."""

    def __init__(self, module: Any, positions: int) -> None:
        body = module.get_decoder()
        self._norm = body.norm
        self._head = module.get_output_embeddings()
        self._size = body.layers[0].self_attn.head_dim
        self._blocks = [_block(index, layer) for index, layer in enumerate(body.layers)]
        every = torch.arange(positions, device=module.device)[None]
        cos, sin = body.rotary_emb(torch.zeros(1, dtype=module.dtype, device=module.device), every)
        half = self._size // 2
        self._cos = cos[0]
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)  # signs of rotate-half

    def prefill(self, hidden: Tensor, cache: SlotCache) -> Tensor:
        """Hidden states [prompts, length, width] of whole prompts, from their embeddings."""
        length = hidden.shape[1]
        return self._layers(hidden, self._cos[:length], self._sin[:length], None, cache)

    def decode(self, hidden: Tensor, positions: Tensor, mask: Tensor, cache: SlotCache) -> Tensor:
        """Hidden states [rows, 1, width] of one token per row."""
        return self.extend(hidden, positions[:, None], mask, cache)

    def extend(self, hidden: Tensor, positions: Tensor, mask: Tensor, cache: SlotCache) -> Tensor:
        """Hidden states [rows, length, width] of tokens that go on from what the cache holds."""
        return self._layers(hidden, self._cos[positions], self._sin[positions], mask, cache)

    def head(self, hidden: Tensor) -> Tensor:
        return self._head(self._norm(hidden))

    def _layers(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: SlotCache
    ) -> Tensor:
        cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)  # the same for every head
        for block in self._blocks:
            hidden = hidden + self._attend(block, block.norm(hidden), cos, sin, mask, cache)
            gate, up = functional.linear(block.mlp_norm(hidden), block.gate_up).chunk(2, -1)
            hidden = hidden + block.down(block.activation(gate).mul_(up))
        return hidden

    def _attend(
        self, block: Block, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: SlotCache
    ) -> Tensor:
        rows, length, _ = hidden.shape
        states = functional.linear(hidden, block.qkv, block.qkv_bias).view(rows, length, -1, self._size)
        queries = block.output.in_features // self._size
        shared = (states.shape[2] - queries) // 2
        if block.query_norm is None or block.key_norm is None:
            rotated = self._rotate(states[:, :, : queries + shared], cos, sin)
            query, key = rotated[:, :, :queries], rotated[:, :, queries:]
        else:
            query = self._rotate(block.query_norm(states[:, :, :queries]), cos, sin)
            key = self._rotate(block.key_norm(states[:, :, queries : queries + shared]), cos, sin)
        keys, values = cache.update(
            key.transpose(1, 2), states[:, :, queries + shared :].transpose(1, 2), block.index
        )
        if mask is not None and length == 1:
            mixed = attend_one(query[:, 0], keys, values, mask, block.scaling)
        else:
            mixed = functional.scaled_dot_product_attention(
                query.transpose(1, 2), keys, values, mask, is_causal=mask is None and length > 1,
                scale=block.scaling, enable_gqa=queries != shared,
            ).transpose(1, 2)  # fmt: skip
        return block.output(mixed.reshape(rows, length, -1))

    def _rotate(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return torch.addcmul(states * cos, states.roll(self._size // 2, -1), sin)


def attend_one(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scaling: float) -> Tensor:
    """Attention of one query per row: query [rows, heads, size], keys and values [rows, shared heads,
    length, size], mask [rows, 1, 1, length]; heads that share keys are adjacent."""
    rows, shared, length, size = keys.shape
    flat = (rows * shared, length, size)
    grouped = query.reshape(rows * shared, -1, size)
    bias = mask.expand(rows, shared, grouped.shape[1], length).reshape(rows * shared, -1, length)
    scores = torch.baddbmm(bias, grouped, _flat(keys, flat).transpose(1, 2), alpha=scaling)
    return torch.bmm(scores.softmax(-1), _flat(values, flat))


def _flat(states: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """[rows, heads, ...] as [rows * heads, ...] without a copy, though only part of the length is seen."""
    return states.as_strided(shape, states.stride()[1:])


def _block(index: int, layer: Any) -> Block:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    return Block(
        index=index,
        norm=_norm(layer.input_layernorm),
        qkv=_joined(projections),
        qkv_bias=_joined_bias(projections),
        query_norm=_norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
        output=attention.o_proj,
        mlp_norm=_norm(layer.post_attention_layernorm),
        gate_up=_joined((mlp.gate_proj, mlp.up_proj)),
        activation=mlp.act_fn,
        down=mlp.down_proj,
        scaling=attention.scaling,
    )


def _norm(own: Any) -> nn.RMSNorm:
    """torch's fused operation over the same weight."""
    norm = nn.RMSNorm(own.weight.shape[0], eps=own.variance_epsilon, device="meta")
    norm.weight = own.weight
    return norm


def _joined(projections: tuple[nn.Linear, ...]) -> Tensor:
    """One matrix [out, in] for several projections, which become views of it: no weight is held twice. It
    lies transposed in memory, which matrix libraries multiply faster when there are few rows."""
    joined = torch.cat([projection.weight.detach() for projection in projections]).t().contiguous().t()
    sizes = [projection.out_features for projection in projections]
    for projection, own in zip(projections, joined.split(sizes), strict=True):
        projection.weight = nn.Parameter(own, requires_grad=False)
    return joined


def _joined_bias(projections: tuple[nn.Linear, ...]) -> Tensor | None:
    biases = [projection.bias for projection in projections]
    return None if biases[0] is None else torch.cat([bias.detach() for bias in biases])


def fuse(module: Any, positions: int) -> Fused | None:
    """The leaner pass over a model's weights, or None where the model is built otherwise."""
    rotation = getattr(getattr(module.get_decoder(), "rotary_emb", None), "rope_type", None)
    if module.dtype != torch.float32 or rotation not in _STATIC_ROTATIONS:
        return None
    try:
        fused = Fused(module, positions)
    except AttributeError:  # a part that Llama has is missing, or named otherwise
        return None
    return fused if _agrees(fused, module, positions) else None


@torch.inference_mode()
def _agrees(fused: Fused, module: Any, positions: int) -> bool:
    """Compares the logits of a prompt and of one further token with the model's own."""
    length = min(12, positions - 1)
    embed = module.get_input_embeddings()
    ids = torch.arange(1, length + 2, device=module.device)[None] % embed.num_embeddings
    own = module(input_ids=ids, use_cache=False).logits[0]
    cache = SlotCache(1, length + 1)
    cache.begin_prefill(torch.zeros(1, dtype=torch.long, device=module.device))
    first = fused.head(fused.prefill(embed(ids[:, :length]), cache))[0]
    position = torch.tensor([length], device=module.device)
    cache.begin_decode(position, length + 1)
    mask = torch.zeros(1, 1, 1, length + 1, device=module.device)
    last = fused.head(fused.decode(embed(ids[:, length:]), position, mask, cache))[0]
    scale = max(1.0, float(own.abs().max()))
    return float((torch.cat([first, last]) - own).abs().max()) <= _TOLERANCE * scale
