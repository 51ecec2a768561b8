"""SCoRe's rewards and baseline, against a second writing in plain Python and in cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_trainer.learning.algorithm_config import ScoreConfig
from farfield_trainer.learning.score import leave_one_out, shaped_rewards

EPISODES = st.lists(
    st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=4), min_size=1, max_size=7
)


def flat(episodes: list[list[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, episodes and attempts of turns."""
    lengths = [len(episode) for episode in episodes]
    attempts = np.concatenate([np.arange(length) for length in lengths])
    return np.concatenate(episodes), np.repeat(np.arange(len(episodes)), lengths), attempts


def shaped(episodes: list[list[float]], stage: int, alpha: float = 10.0) -> list[float]:
    return shaped_rewards(*flat(episodes), ScoreConfig(stage=stage, alpha=alpha)).tolist()


def test_stage_1_pays_for_the_second_attempt_alone() -> None:
    assert shaped([[1, 0], [0, 1], [1, 1], [0, 0]], stage=1) == [0, 0, 0, 1, 0, 1, 0, 0]


def test_stage_2_pays_for_both_and_most_for_what_was_mended() -> None:
    assert shaped([[1, 0], [0, 1], [1, 1], [0, 0]], stage=2) == [1, -10, 0, 11, 1, 1, 0, 0]


def test_without_bonus_each_attempt_earns_its_reward() -> None:
    assert shaped([[1, 0, 1], [0.5]], stage=2, alpha=0) == [1, 0, 1, 0.5]


def test_a_bonus_over_an_attempt_that_nobody_judged_is_unknown() -> None:
    rewards, episodes, attempts = np.array([1.0, 1.0, 0.0]), np.array([0, 1, 1]), np.array([1, 0, 1])
    found = shaped_rewards(rewards, episodes, attempts, ScoreConfig())
    np.testing.assert_array_equal(found, [np.nan, 1.0, -10.0])
    assert shaped_rewards(rewards, episodes, attempts, ScoreConfig(stage=1)).tolist() == [1, 0, 0]
    assert leave_one_out(found, np.zeros(3, int), attempts).tolist() == [0, 0, 0]


def test_attempts_are_compared_with_the_same_attempt_of_the_group() -> None:
    values = np.array([1.0, 5.0, 3.0, 6.0, 2.0, 7.0])
    groups, attempts = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 0, 1])
    assert leave_one_out(values, groups, attempts).tolist() == [-2, -1, 2, 1, 0, 0]


@pytest.mark.parametrize("stage", [1, 2])
@given(episodes=EPISODES, alpha=st.floats(0, 20), seed=st.integers(0, 99))
def test_against_a_second_writing(episodes: list[list[float]], alpha: float, seed: int, stage: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 3, len(episodes))
    worth = [
        [
            (0.0 if stage == 1 else reward)
            if t == 0
            else (reward if stage == 1 else reward + alpha * (reward - own[t - 1]))
            for t, reward in enumerate(own)
        ]
        for own in episodes
    ]
    expected = []
    for mine, own in enumerate(worth):
        for t, value in enumerate(own):
            peers = [
                other[t]
                for place, other in enumerate(worth)
                if place != mine and groups[place] == groups[mine] and len(other) > t
            ]
            expected.append(value - np.mean(peers) if peers else 0.0)
    rewards, owners, attempts = flat(episodes)
    values = shaped_rewards(rewards, owners, attempts, ScoreConfig(stage=stage, alpha=alpha))
    np.testing.assert_allclose(leave_one_out(values, groups[owners], attempts), expected, atol=1e-9)
