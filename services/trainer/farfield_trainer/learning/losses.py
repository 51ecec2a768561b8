"""Loss terms: pure functions from logprobs to one number per item: a token, or a turn for ppo_turn.

The weights of `item_weights` sum to 1 over a whole minibatch (fixed_length aside), so the loss is a plain
weighted sum and the same gradient comes out however the minibatch is cut into passes or spread over ranks.

Formulas: clipped surrogate (Schulman et al. 2017, arXiv 1707.06347), dual clip (Ye et al. 2020, arXiv
1912.09729), asymmetric clip (DAPO, Yu et al. 2025, arXiv 2503.14476), KL estimators (Schulman 2020,
"Approximating KL divergence"), truncated importance weights (Espeholt et al. 2018, arXiv 1802.01561).
The gradient of an estimator of KL(p || q) need not be the divergence's: k2 has it, k3 has that of
KL(q || p), k1 none in the mean.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from farfield_trainer.learning.algorithm_config import Aggregation, CorrectionConfig, LossConfig


@dataclass(frozen=True, slots=True)
class Totals:
    """How much a whole minibatch holds, over all passes and ranks."""

    items: int
    turns: int
    sequences: int


def item_weights(
    per_turn: Tensor, per_sequence: Tensor, totals: Totals, aggregation: Aggregation, fixed_length: int
) -> Tensor:
    """[items] weights; `per_turn`, `per_sequence` [items]: how many items the item's turn or sequence has."""
    ones = torch.ones_like(per_turn, dtype=torch.float32)
    if aggregation == "token_mean":
        return ones / totals.items
    if aggregation == "turn_mean":
        return ones / (totals.turns * per_turn)
    if aggregation == "sequence_mean":
        return ones / (totals.sequences * per_sequence)
    return ones / (totals.turns * fixed_length)


def turn_sums(values: Tensor, turns: Tensor, count: int) -> Tensor:
    """[tokens] -> [count] sums per turn; `turns` [tokens] is each token's turn."""
    return values.new_zeros(count).index_add(0, turns, values)


@dataclass(slots=True)
class Surrogate:
    loss: Tensor
    ratio: Tensor
    clipped: Tensor
    """Where the clip took the gradient away."""


def surrogate(
    current: Tensor, old: Tensor, advantages: Tensor, config: LossConfig, *, clipped_only_above: float = 0.0
) -> Surrogate:
    """-min(r A, clip(r) A) per item with r = exp(current - old).

    dual_clip c bounds it by -c A where A < 0. Ratios above `clipped_only_above` keep -clip(r) A alone.
    """
    limit = config.max_log_ratio
    ratio = (current - old).clamp(-limit, limit).exp()
    bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
    free, held = -ratio * advantages, -bounded * advantages
    loss = torch.maximum(free, held)
    clipped = held > free
    if config.dual_clip:
        ceiling = torch.where(advantages < 0, -config.dual_clip * advantages, torch.inf)
        clipped = clipped | (loss > ceiling)
        loss = torch.minimum(loss, ceiling)
    if clipped_only_above:
        extreme = ratio > clipped_only_above
        loss, clipped = torch.where(extreme, held, loss), clipped | extreme
    return Surrogate(loss, ratio.detach(), clipped)


def correction_weights(
    old: Tensor, behaviour: Tensor, turns: Tensor, count: int, config: CorrectionConfig, limit: float
) -> Tensor:
    """[tokens] min(old/behaviour, high), and in mode mask 0 outside [low, high]; no gradient.

    At level turn a token takes the geometric mean ratio of its turn's tokens.
    """
    log_ratio = (old - behaviour).detach()
    if config.mode == "none":
        return torch.ones_like(log_ratio)
    if config.level == "turn":
        sizes = turn_sums(torch.ones_like(log_ratio), turns, count)
        log_ratio = (turn_sums(log_ratio, turns, count) / sizes)[turns]
    ratio = log_ratio.clamp(-limit, limit).exp()
    weights = ratio.clamp_max(config.high)
    if config.mode == "mask":
        weights = torch.where((ratio < config.low) | (ratio > config.high), 0.0, weights)
    return weights


def divergence(current: Tensor, reference: Tensor, estimator: str, limit: float) -> Tensor:
    """Per token, KL(current || reference) estimated from a token that current sampled."""
    log_ratio = (current - reference).clamp(-limit, limit)
    if estimator == "k1":
        return log_ratio
    if estimator == "k2":
        return 0.5 * log_ratio.square()
    return torch.exp(-log_ratio) - 1 + log_ratio


def value_loss(values: Tensor, old_values: Tensor, targets: Tensor, clip: float) -> Tensor:
    """Half the squared error per item; with `clip`, at least that of a value held near its old one."""
    loss = 0.5 * (values - targets).square()
    if not clip:
        return loss
    held = old_values + (values - old_values).clamp(-clip, clip)
    return torch.maximum(loss, 0.5 * (held - targets).square())
