import math

import pytest
import torch

from farfield_kernel.errors import DataLoss
from farfield_trainer.learning.algorithm_config import OptimizerConfig
from farfield_trainer.learning.optimizer import Optimizer, learning_rate


def test_constant_after_warm_up() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(step, config) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_falls_to_its_floor_and_stays() -> None:
    config = OptimizerConfig(
        learning_rate=1.0, schedule="cosine", warmup_steps=2, total_steps=10, min_learning_rate=0.1
    )
    rates = [learning_rate(step, config) for step in range(2, 13)]
    assert rates[0] == 1.0
    assert rates[4] == pytest.approx(0.55)
    assert rates[8:] == pytest.approx([0.1] * 3)
    assert rates == sorted(rates, reverse=True)


def module() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def test_one_step_is_adamw_with_decay_on_matrices_only() -> None:
    linear, rate, decay = module(), 0.01, 0.1
    before = {name: item.detach().clone() for name, item in linear.named_parameters()}
    linear.weight.grad, linear.bias.grad = torch.full((2, 3), 0.3), torch.full((2,), -0.4)
    config = OptimizerConfig(learning_rate=rate, weight_decay=decay, max_grad_norm=100.0)
    figures = Optimizer(linear, config).step(0)
    torch.testing.assert_close(linear.weight.detach(), before["weight"] * (1 - rate * decay) - rate)
    torch.testing.assert_close(linear.bias.detach(), before["bias"] + rate)
    assert figures["grad_norm"] == pytest.approx(math.sqrt(6 * 0.09 + 2 * 0.16), rel=1e-5)
    assert linear.weight.grad is None


def test_the_value_head_may_have_a_rate_of_its_own() -> None:
    policy = torch.nn.ModuleDict({"model": module(), "value": module()})
    before = {name: item.detach().clone() for name, item in policy.named_parameters()}
    optimizer = Optimizer(policy, OptimizerConfig(learning_rate=1e-3, warmup_steps=2), value_rate=0.1)
    for item in policy.parameters():
        item.grad = torch.full_like(item, 0.1)
    assert optimizer.step(0)["learning_rate"] == 5e-4
    for name, item in policy.named_parameters():
        rate = 0.05 if name.startswith("value.") else 5e-4
        torch.testing.assert_close(item.detach(), before[name] - rate, msg=name)


def test_gradients_are_clipped_by_their_norm() -> None:
    linear = module()
    optimizer = Optimizer(linear, OptimizerConfig(max_grad_norm=0.5, betas=(0.0, 0.0)))
    linear.weight.grad = torch.full((2, 3), 10.0)
    optimizer.step(0)
    moment = optimizer.state()["weight/exp_avg"]
    assert moment.norm().item() == pytest.approx(0.5, rel=1e-4)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    linear = module()
    before = linear.weight.detach().clone()
    linear.weight.grad = torch.full((2, 3), float("nan"))
    figures = Optimizer(linear, OptimizerConfig()).step(0)
    assert figures["nonfinite_steps"] == 1
    assert torch.equal(linear.weight, before)
    assert linear.weight.grad is None


def test_state_of_another_model_is_refused() -> None:
    with pytest.raises(DataLoss, match="other"):
        Optimizer(module(), OptimizerConfig()).load_state([("other/exp_avg", torch.zeros(1))])
