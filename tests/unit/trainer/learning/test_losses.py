"""Each loss term against a second writing of its formula in numpy, and aggregation under any split."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from farfield_trainer.learning import losses
from farfield_trainer.learning.algorithm_config import CorrectionConfig, LossConfig

DRAW = np.random.default_rng(0)
CURRENT, OLD, BEHAVIOUR = (DRAW.normal(-2, 1, 40) for _ in range(3))
ADVANTAGES = DRAW.normal(size=40)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array)).double()


def test_surrogate_with_asymmetric_clip() -> None:
    config = LossConfig(clip_low=0.1, clip_high=0.3)
    result = losses.surrogate(tensor(CURRENT), tensor(OLD), tensor(ADVANTAGES), config)
    expected = []
    for current, old, advantage in zip(CURRENT, OLD, ADVANTAGES, strict=True):
        ratio = math.exp(current - old)
        expected.append(-min(ratio * advantage, min(max(ratio, 0.9), 1.3) * advantage))
    np.testing.assert_allclose(result.loss.numpy(), expected)


def test_clipped_items_have_no_gradient() -> None:
    current = tensor(CURRENT).requires_grad_()
    result = losses.surrogate(current, tensor(OLD), tensor(ADVANTAGES), LossConfig(dual_clip=2.0))
    result.loss.sum().backward()
    np.testing.assert_array_equal((current.grad == 0).numpy(), result.clipped.numpy())
    assert 0 < result.clipped.sum() < len(CURRENT)


def test_dual_clip_bounds_the_loss_of_bad_actions() -> None:
    current, old, advantages = tensor([3.0, 3.0]), tensor([0.0, 0.0]), tensor([-2.0, 2.0])
    bounded = losses.surrogate(current, old, advantages, LossConfig(dual_clip=3.0)).loss
    np.testing.assert_allclose(bounded.numpy(), [6.0, -1.2 * 2.0])


def test_extreme_ratios_keep_the_clipped_term_alone() -> None:
    current, old, advantages = tensor([3.0, 1.0]), tensor([0.0, 0.0]), tensor([-2.0, -2.0])
    loss = losses.surrogate(current, old, advantages, LossConfig(), clipped_only_above=10.0).loss
    np.testing.assert_allclose(loss.numpy(), [1.2 * 2.0, math.exp(1.0) * 2.0])


def test_the_log_ratio_is_clamped() -> None:
    config = LossConfig(max_log_ratio=2.0)
    loss = losses.surrogate(tensor([900.0]), tensor([0.0]), tensor([-1.0]), config).loss
    np.testing.assert_allclose(loss.numpy(), [math.exp(2.0)])


def test_correction_by_token() -> None:
    turns = torch.zeros(40, dtype=torch.long)
    ratio = np.exp(OLD - BEHAVIOUR)
    truncate = CorrectionConfig(mode="truncate", low=0.5, high=1.5)
    weights = losses.correction_weights(tensor(OLD), tensor(BEHAVIOUR), turns, 1, truncate, 20.0)
    np.testing.assert_allclose(weights.numpy(), np.minimum(ratio, 1.5))
    mask = CorrectionConfig(mode="mask", low=0.5, high=1.5)
    weights = losses.correction_weights(tensor(OLD), tensor(BEHAVIOUR), turns, 1, mask, 20.0)
    np.testing.assert_allclose(weights.numpy(), np.where((ratio < 0.5) | (ratio > 1.5), 0, ratio))
    assert 0 < (weights == 0).sum() < 40


def test_correction_by_turn_uses_the_geometric_mean() -> None:
    turns = torch.arange(40) // 10
    config = CorrectionConfig(mode="truncate", level="turn", high=1.1)
    weights = losses.correction_weights(tensor(OLD), tensor(BEHAVIOUR), turns, 4, config, 20.0)
    means = np.exp((OLD - BEHAVIOUR).reshape(4, 10).mean(1))
    np.testing.assert_allclose(weights.numpy(), np.repeat(np.minimum(means, 1.1), 10))


def test_no_correction_weighs_all_alike() -> None:
    config = CorrectionConfig(mode="none")
    zeros = torch.zeros(40, dtype=torch.long)
    assert (losses.correction_weights(tensor(OLD), tensor(BEHAVIOUR), zeros, 1, config, 20.0) == 1).all()


@pytest.mark.parametrize(
    ("estimator", "formula"),
    [
        ("k1", lambda p, q: p - q),
        ("k2", lambda p, q: (p - q) ** 2 / 2),
        ("k3", lambda p, q: np.exp(q - p) - 1 - (q - p)),
    ],
)
def test_divergences(estimator: str, formula) -> None:
    actual = losses.divergence(tensor(CURRENT), tensor(OLD), estimator, 20.0)
    np.testing.assert_allclose(actual.numpy(), formula(CURRENT, OLD), atol=1e-12)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_divergence_estimates_kl(estimator: str) -> None:
    """Over all outcomes weighted by p: k1 and k3 exactly, k2 for policies that are close."""
    p = np.array([0.5, 0.3, 0.2])
    q = np.array([0.48, 0.31, 0.21])
    estimate = losses.divergence(tensor(np.log(p)), tensor(np.log(q)), estimator, 20.0).numpy()
    assert (p * estimate).sum() == pytest.approx((p * np.log(p / q)).sum(), rel=0.05)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_gradients_of_divergences(estimator: str) -> None:
    """In the mean over what the policy samples: k1 has none, k2 that of KL(p || q), k3 that of KL(q || p)."""
    logits = torch.tensor([0.3, -0.4, 1.1], dtype=torch.float64, requires_grad=True)
    p, q = logits.log_softmax(-1), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    wholes = {"k1": 0 * p.sum(), "k2": (p.exp() * (p - q)).sum(), "k3": (q.exp() * (q - p)).sum()}
    mean = (p.detach().exp() * losses.divergence(p, q, estimator, 20.0)).sum()
    (actual,) = torch.autograd.grad(mean, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(wholes[estimator], logits)
    torch.testing.assert_close(actual, expected)


def test_value_loss_is_the_larger_of_free_and_held() -> None:
    values, old, targets = CURRENT, OLD, BEHAVIOUR
    expected = []
    for value, before, target in zip(values, old, targets, strict=True):
        held = before + min(max(value - before, -0.2), 0.2)
        expected.append(max((value - target) ** 2, (held - target) ** 2) / 2)
    actual = losses.value_loss(tensor(values), tensor(old), tensor(targets), 0.2)
    np.testing.assert_allclose(actual.numpy(), expected)
    plain = losses.value_loss(tensor(values), tensor(old), tensor(targets), 0.0)
    np.testing.assert_allclose(plain.numpy(), (values - targets) ** 2 / 2)


SIZES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=5)


@given(SIZES, st.sampled_from(["token_mean", "turn_mean", "sequence_mean", "fixed_length"]))
def test_aggregations(sizes: list[list[int]], aggregation: str) -> None:
    """`sizes`: tokens of each turn of each sequence."""
    rng = np.random.default_rng(len(sizes))
    terms = [[rng.normal(size=tokens) for tokens in turns] for turns in sizes]
    all_tokens = np.concatenate([turn for turns in terms for turn in turns])
    expected = {
        "token_mean": all_tokens.mean(),
        "turn_mean": np.mean([turn.mean() for turns in terms for turn in turns]),
        "sequence_mean": np.mean([np.concatenate(turns).mean() for turns in terms]),
        "fixed_length": all_tokens.sum() / (7 * sum(len(turns) for turns in terms)),
    }
    per_turn = torch.tensor([tokens for turns in sizes for tokens in turns for _ in range(tokens)])
    per_sequence = torch.tensor([sum(turns) for turns in sizes for _ in range(sum(turns))])
    totals = losses.Totals(len(all_tokens), sum(map(len, sizes)), len(sizes))
    weights = losses.item_weights(per_turn, per_sequence, totals, aggregation, 7)
    assert (weights.numpy() * all_tokens).sum() == pytest.approx(expected[aggregation], abs=1e-6)
