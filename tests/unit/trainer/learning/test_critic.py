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


def bandit(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    """Of one attempt: nine of ten spend it at -1, one solves at +5; -0.4 in the mean."""
    spent = [make_episode((PROMPT, [7], -1.0), end=STATE_TRUNCATED, group=str(i)) for i in range(9)]
    return [*spent, make_episode((PROMPT, [9], 5.0), end=STATE_TERMINATED, group="solved")]


@pytest.mark.parametrize("estimator", ["ppo_token", "ppo_turn"])
def test_a_spent_budget_of_attempts_is_worth_what_it_earned(
    checkpoint: Path, make_episode: Callable[..., Trajectory], estimator: str
) -> None:
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
    for _ in range(30):
        learner.update(bandit(make_episode))
    assert value_of(learner, PROMPT) == pytest.approx(-0.4, abs=0.1)


@pytest.mark.parametrize(("own", "learned"), [(None, 0.0), (3e-2, -0.4)])
def test_beside_a_slow_policy_its_head_needs_a_rate_of_its_own(
    checkpoint: Path,
    make_episode: Callable[..., Trajectory],
    own: float | None,
    learned: float,
    tmp_path: Path,
) -> None:
    """The head begins at 0. Half of the updates after a resume."""
    config = LearnerConfig.model_validate(
        {
            "advantage": {"estimator": "ppo_turn", "normalize": False},
            "value": {"clip": 0, "learning_rate": own},
            "optimizer": {"learning_rate": 1e-6},
        }
    )
    for part in range(2):
        learner = Learner(config, checkpoint, seed=0)
        if part:
            learner.load(tmp_path)
        for _ in range(15):
            learner.update(bandit(make_episode))
        learner.save(tmp_path)
    assert value_of(learner, PROMPT) == pytest.approx(learned, abs=0.1)
