"""What the critic of ppo_turn and ppo_token learns."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield.types.v1.types_pb2 import STATE_TERMINATED, STATE_TRUNCATED
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner

PROMPT = [3, 5, 1, 4]


def value_of(learner: Learner, ids: list[int]) -> float:
    """The critic's, at the last of these ids."""
    policy = learner._policy
    with torch.no_grad():
        hidden = policy.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        return policy.value(hidden).item()


@pytest.mark.parametrize("estimator", ["ppo_token", "ppo_turn"])
def test_a_spent_budget_of_attempts_is_worth_what_it_earned(
    checkpoint: Path, make_episode: Callable[..., Trajectory], estimator: str
) -> None:
    """A bandit of one attempt: nine of ten spend it at -1, one solves at +5; -0.4 in the mean."""
    learner = Learner(
        LearnerConfig.model_validate(
            {
                "advantage": {"estimator": estimator, "normalize": False},
                "value": {"clip": 0},
                "optimizer": {"learning_rate": 1e-2},
            }
        ),
        checkpoint,
        seed=0,
    )
    spent = [make_episode((PROMPT, [7], -1.0), end=STATE_TRUNCATED, group=str(i)) for i in range(9)]
    solved = make_episode((PROMPT, [9], 5.0), end=STATE_TERMINATED, group="solved")
    for _ in range(30):
        learner.update([*spent, solved])
    assert value_of(learner, PROMPT) == pytest.approx(-0.4, abs=0.1)
