"""From logits to tokens and their logprobs: pure functions over a batch, no per-row work.

Order of the filters: temperature, then top-k, then top-p on what top-k left. Tokens that tie with the k-th
are kept; top-p keeps the smallest set of most probable tokens whose mass reaches p, at least one.

Greedy rows (temperature 0) take the most probable token; their distribution would be a point mass, whose
logprobs say nothing, so their processed logprob is the raw one, as teacher-forced scoring also reads it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rules:
    """How each row of a batch is drawn, and which of the steps any row needs at all."""

    temperature: Tensor  # [rows], 1 where greedy
    greedy: Tensor  # [rows], bool
    top_k: Tensor  # [rows], 0: off
    top_p: Tensor  # [rows], 1: off
    any_tempered: bool
    any_greedy: bool
    any_filtered: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    tokens: Tensor  # [rows]
    logprobs: Tensor  # [rows], of the distribution that was sampled
    raw_logprobs: Tensor  # [rows], of softmax(logits)


def rules(
    temperature: NDArray[np.float32],
    top_k: NDArray[np.int64],
    top_p: NDArray[np.float32],
    device: torch.device | str = "cpu",
    *,
    uniform: bool = False,
) -> Rules:
    """One rule per row; `top_p` 0 means off, as in the contract. With `uniform`, the steps that every batch
    goes through do not depend on what its rows ask for."""
    greedy = temperature == 0
    tempered = np.where(greedy, np.float32(1), temperature)
    k = np.where(greedy, 0, top_k)
    p = np.where(greedy | (top_p == 0), np.float32(1), top_p)
    return Rules(
        temperature=torch.from_numpy(tempered).to(device),
        greedy=torch.from_numpy(greedy).to(device),
        top_k=torch.from_numpy(k).to(device),
        top_p=torch.from_numpy(p).to(device),
        any_tempered=uniform or bool((tempered != 1).any()),
        any_greedy=bool(greedy.any()),
        any_filtered=bool((k > 0).any() or (p < 1).any()),
    )


def draw(logits: Tensor, uniforms: Tensor, rule: Rules) -> Drawn:
    """Inverse CDF: the first token whose cumulated weight exceeds u times the total.

    logits [rows, vocabulary], uniforms [rows] in [0, 1).
    """
    logits = logits.float()
    scores = process(logits, rule)
    shifted = scores - scores.amax(-1, keepdim=True)
    cumulated = shifted.exp().cumsum(-1)
    total = cumulated[:, -1:]
    tokens = torch.searchsorted(cumulated, uniforms[:, None] * total, right=True)
    tokens.clamp_(max=logits.shape[-1] - 1)  # only a row of NaN gets past the end; its logprobs show it
    if rule.any_greedy:
        tokens = torch.where(rule.greedy[:, None], logits.argmax(-1, keepdim=True), tokens)
    logprobs = (shifted.gather(-1, tokens) - total.log()).squeeze(-1)
    raw = logprobs
    if rule.any_tempered or rule.any_filtered:
        raw = logprobs_of(logits, tokens).squeeze(-1)
    return Drawn(tokens.squeeze(-1), logprobs, raw)


def process(logits: Tensor, rule: Rules) -> Tensor:
    """Logits after temperature, top-k and top-p; -inf where a filter dropped a token."""
    scores = logits / rule.temperature[:, None] if rule.any_tempered else logits
    return filter_tokens(scores, rule.top_k, rule.top_p) if rule.any_filtered else scores


def filter_tokens(scores: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """scores [rows, vocabulary]; top_k [rows] with 0 as off; top_p [rows] with 1 as off."""
    size = scores.shape[-1]
    ordered, order = scores.sort(dim=-1, descending=True, stable=True)
    k = torch.where(top_k > 0, top_k.clamp(max=size), size)
    threshold = ordered.gather(-1, k[:, None] - 1)
    ordered = ordered.masked_fill(ordered < threshold, float("-inf"))
    mass = ordered.softmax(-1)
    before = mass.cumsum(-1) - mass
    beyond = (before >= top_p[:, None]) & (top_p[:, None] < 1)
    beyond[:, 0] = False
    return torch.empty_like(scores).scatter_(-1, order, ordered.masked_fill(beyond, float("-inf")))


def logprobs_of(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """log softmax(logits / temperature) at `tokens`; logits [..., vocabulary], tokens [..., n]."""
    scores = logits.float() / temperature if temperature != 1 else logits.float()
    return scores.gather(-1, tokens) - scores.logsumexp(-1, keepdim=True)
