"""SCoRe's rewards and baseline, against a second writing in plain Python and in cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_trainer.learning.algorithm_config import ScoreConfig
from farfield_trainer.learning.score import leave_one_out, own_rewards

EPISODES = st.lists(
    st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=4), min_size=1, max_size=7
)


def flat(episodes: list[list[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, episodes and attempts of turns."""
    lengths = [len(episode) for episode in episodes]
    attempts = np.concatenate([np.arange(length) for length in lengths])
    return np.concatenate(episodes), np.repeat(np.arange(len(episodes)), lengths), attempts


def own(episodes: list[list[float]], stage: int, alpha: float = 10.0) -> list[float]:
    rewards, _, attempts = flat(episodes)
    return own_rewards(rewards, attempts, ScoreConfig(stage=stage, alpha=alpha)).tolist()


def test_stage_1_pays_for_the_second_attempt_alone() -> None:
    assert own([[1, 0], [0, 1], [1, 1], [0, 0]], stage=1) == [0, 0, 0, 1, 0, 1, 0, 0]


def test_stage_2_pays_for_both_and_most_for_later_ones() -> None:
    assert own([[1, 0], [0, 1], [1, 1], [0, 0]], stage=2) == [1, 0, 0, 11, 1, 11, 0, 0]


@given(first=st.floats(0.05, 0.95), after=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)))
def test_the_reward_before_changes_no_expected_gradient(first: float, after: tuple[float, float]) -> None:
    """Of the logit of being right the second time, over all outcomes of an episode with two right-or-wrong
    attempts: the bonus in full against the reward that is the second attempt's own."""
    outcomes = [(a, b) for a in (0, 1) for b in (0, 1)]
    chances = np.array([(first, 1 - first)[1 - a] * (after[a], 1 - after[a])[1 - b] for a, b in outcomes])
    slopes = np.array([b - after[a] for a, b in outcomes])
    full = np.array([b + 10 * (b - a) for a, b in outcomes])
    mine = np.array(own([[a, b] for a, b in outcomes], stage=2)[1::2])
    assert chances @ (slopes * full) == pytest.approx(chances @ (slopes * mine))


def test_without_bonus_each_attempt_earns_its_reward() -> None:
    assert own([[1, 0, 1], [0.5]], stage=2, alpha=0) == [1, 0, 1, 0.5]


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
            (0.0 if stage == 1 else reward) if t == 0 else (reward if stage == 1 else reward + alpha * reward)
            for t, reward in enumerate(rewards)
        ]
        for rewards in episodes
    ]
    expected = []
    for mine, earned in enumerate(worth):
        for t, value in enumerate(earned):
            peers = [
                other[t]
                for place, other in enumerate(worth)
                if place != mine and groups[place] == groups[mine] and len(other) > t
            ]
            expected.append(value - np.mean(peers) if peers else 0.0)
    rewards, owners, attempts = flat(episodes)
    values = own_rewards(rewards, attempts, ScoreConfig(stage=stage, alpha=alpha))
    np.testing.assert_allclose(leave_one_out(values, groups[owners], attempts), expected, atol=1e-9)
