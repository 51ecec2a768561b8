"""Each estimator against a second writing of its formula, turn by turn in plain Python."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from farfield_trainer.learning import advantages as adv

EPISODES = st.lists(
    st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=5), min_size=1, max_size=6
)


def flat(episodes: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(episodes), np.array([len(episode) for episode in episodes])


def returns_of(rewards: list[float], gamma: float) -> list[float]:
    return [
        sum(reward * gamma ** (later - now) for later, reward in enumerate(rewards) if later >= now)
        for now in range(len(rewards))
    ]


@given(EPISODES, st.floats(0, 1))
def test_returns_are_discounted_sums(episodes: list[list[float]], gamma: float) -> None:
    expected = np.concatenate([returns_of(episode, gamma) for episode in episodes])
    np.testing.assert_allclose(adv.discounted_returns(*flat(episodes), gamma), expected, atol=1e-9)


@given(EPISODES, st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_gae_is_the_decayed_sum_of_errors(
    episodes: list[list[float]], gamma: float, lam: float, seed: int
) -> None:
    rewards, lengths = flat(episodes)
    draw = np.random.default_rng(seed)
    values = draw.normal(size=len(rewards))
    expected, start = [], 0
    for length in lengths:
        own = [*values[start : start + length], 0.0]
        errors = [rewards[start + t] + gamma * own[t + 1] - own[t] for t in range(length)]
        expected += [
            sum((gamma * lam) ** (k - t) * errors[k] for k in range(t, length)) for t in range(length)
        ]
        start += length
    actual = adv.generalized_advantages(rewards, values, lengths, gamma, lam)
    np.testing.assert_allclose(actual, expected, atol=1e-9)


def test_outcome_reward_halves_per_turn_until_solved() -> None:
    returns = adv.discounted_returns(np.array([0.0, 0.0, 1.0, 1.0]), np.array([3, 1]), 0.5)
    assert returns.tolist() == [0.25, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("baseline", ["group_turns", "group_episodes", "leave_one_out"])
@settings(max_examples=30)
@given(episodes=EPISODES, seed=st.integers(0, 99))
def test_group_advantages(episodes: list[list[float]], seed: int, baseline: str, normalize: bool) -> None:
    groups = np.random.default_rng(seed).integers(0, 3, len(episodes))
    groups = np.unique(groups, return_inverse=True)[1]
    returns, lengths = flat(episodes)
    expected = []
    for mine, episode in enumerate(episodes):
        peers = [other for other in range(len(episodes)) if groups[other] == groups[mine]]
        firsts = [episodes[other][0] for other in peers]
        compared = (
            np.concatenate([episodes[other] for other in peers]) if baseline == "group_turns" else firsts
        )
        center = np.mean(compared)
        if baseline == "leave_one_out":
            others = [episodes[other][0] for other in peers if other != mine]
            center = np.mean(others) if others else None
        scale = np.std(compared) + 1e-6 if normalize else 1.0
        assume(not 1e-8 < np.std(compared) < 1e-4)
        if normalize and np.std(compared) <= 1e-6:
            center = None
        expected += [0.0 if center is None else (value - center) / scale for value in episode]
    actual = adv.group_advantages(returns, lengths, groups, baseline, normalize)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6 if not normalize else 1e-3)


def test_episodes_that_earned_the_same_teach_nothing_whatever_their_turns_earned() -> None:
    returns, lengths = np.array([-3.0, -2.0, -3.0, -1.0]), np.array([2, 2])
    advantages = adv.group_advantages(returns, lengths, np.zeros(2, int), "group_episodes", True)
    assert advantages.tolist() == [0, 0, 0, 0]


def test_returns_within_turns() -> None:
    rewards, penalties = np.array([1.0, 2.0]), np.array([-0.1, -0.2, -0.4])
    actual = adv.within_turn_returns(rewards, np.array([2]), penalties, np.array([2, 1]), 0.5)
    following = 0.5 * (2.0 - 0.4)
    np.testing.assert_allclose(actual, [1.0 - 0.3 + following, 1.0 - 0.2 + following, 1.6])


def test_a_turns_reward_arrives_at_its_last_token() -> None:
    combined = adv.token_rewards_with_turns(np.array([5.0, 7.0]), np.full(3, -1.0), np.array([2, 1]))
    assert combined.tolist() == [-1.0, 4.0, 6.0]


def test_a_turns_tokens_add_up() -> None:
    whole = adv.turn_rewards_with_tokens(np.array([5.0, 7.0]), np.full(3, -1.0), np.array([2, 1]))
    assert whole.tolist() == [3.0, 6.0]


def test_whitened_advantages_have_mean_0_and_deviation_1() -> None:
    white = adv.whiten(np.array([1.0, 2.0, 6.0]))
    assert white.mean() == pytest.approx(0)
    assert white.std() == pytest.approx(1, abs=1e-5)


def test_equal_rewards_have_no_advantage() -> None:
    same = np.full(4, 0.7)
    for baseline in ("group_turns", "group_episodes", "leave_one_out"):
        result = adv.group_advantages(same, np.ones(4, int), np.zeros(4, int), baseline, True)
        np.testing.assert_allclose(result, 0, atol=1e-9)
