"""From rewards to advantages: pure functions over flat arrays.

Steps (turns or tokens) of one episode are contiguous and in time order; `lengths` holds the number of steps
of each episode. Everything is float64 numpy: these arrays are small, and sums over them decide signs.

Formulas: discounted returns and GAE (Schulman et al. 2016, arXiv 1506.02438), GRPO (Shao et al. 2024,
arXiv 2402.03300), its variant without deviation (Dr. GRPO, Liu et al. 2025, arXiv 2503.20783), leave-one-out
(RLOO, Ahmadian et al. 2024, arXiv 2402.14740), batch-normalized (REINFORCE++, Hu 2025, arXiv 2501.03262).
Deviations: an episode has many turns, each with its own return, and a baseline is shared by all of them;
REINFORCE++ discounts per turn and subtracts KL within a turn token by token.
"""

import numpy as np
import numpy.typing as npt

from farfield_trainer.learning.algorithm_config import Baseline

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EPSILON = 1e-6


def discounted_returns(rewards: Floats, lengths: Ints, gamma: float) -> Floats:
    """G_t = r_t + gamma G_{t+1}, with 0 after an episode's last step."""
    return generalized_advantages(rewards, np.zeros_like(rewards), lengths, gamma, 1.0)


def generalized_advantages(
    rewards: Floats, values: Floats, lengths: Ints, gamma: float, lam: float
) -> Floats:
    """A_t = d_t + gamma lam A_{t+1} with d_t = r_t + gamma V_{t+1} - V_t; A and V are 0 after the last step
    of an episode. The critic's targets are A + V.

    That holds however the episode ended: a budget of turns is part of the task, and the critic learns no
    value for what would come after it.
    """
    advantages = np.empty_like(rewards)
    end = len(rewards)
    for length in lengths[::-1].tolist():
        following = trace = 0.0
        for step in range(end - 1, end - 1 - length, -1):
            delta = rewards[step] + gamma * following - values[step]
            trace = delta + gamma * lam * trace
            advantages[step] = trace
            following = values[step]
        end -= length
    return advantages


def group_advantages(
    returns: Floats, lengths: Ints, groups: Ints, baseline: Baseline, normalize: bool
) -> Floats:
    """A_t = (G_t - b) / s for the returns of turns; `groups` [episodes] says which episodes are compared.

    group_turns: b and s are mean and deviation of the returns of all turns in the group.
    group_episodes: of the episodes' returns, an episode's return being that of its first turn.
    leave_one_out: b is the mean of the other episodes' returns; an episode alone in its group gets 0.
    s is the population deviation plus a small constant, and 1 without `normalize`. With `normalize`, a group
    whose compared returns are all the same has advantages of 0: later turns of its episodes may differ from
    b, and a deviation of nothing would make millions of that.
    """
    episode_of = np.repeat(np.arange(len(lengths)), lengths)
    group_of = groups[episode_of]
    firsts = returns[np.cumsum(lengths) - lengths]
    values, owners = (returns, group_of) if baseline == "group_turns" else (firsts, groups)
    count, total = np.bincount(owners), np.bincount(owners, weights=values)
    mean = total / np.maximum(count, 1)
    if baseline == "leave_one_out":
        others = count[group_of] - 1
        centred = returns - (total[group_of] - firsts[episode_of]) / np.maximum(others, 1)
        centred[others == 0] = 0.0
    else:
        centred = returns - mean[group_of]
    if not normalize:
        return centred
    variance = np.bincount(owners, weights=(values - mean[owners]) ** 2) / np.maximum(count, 1)
    deviation = np.sqrt(variance)[group_of]
    return np.where(deviation > EPSILON, centred / (deviation + EPSILON), 0.0)


def within_turn_returns(
    rewards: Floats, lengths: Ints, token_rewards: Floats, token_counts: Ints, gamma: float
) -> Floats:
    """Per token: what its turn still earns after it, plus gamma times the return of the next turn.

    `rewards` [turns] arrive at a turn's last token; `token_rewards` [tokens] (a KL penalty) in place.
    """
    whole = rewards + _sums(token_rewards, token_counts)
    returns = discounted_returns(whole, lengths, gamma)
    spent = np.cumsum(token_rewards) - token_rewards
    starts = np.cumsum(token_counts) - token_counts
    spent -= np.repeat(spent[starts], token_counts)
    return np.repeat(returns, token_counts) - spent


def _sums(values: Floats, counts: Ints) -> Floats:
    """Sums over consecutive runs of `counts` values; every count is at least 1."""
    return np.add.reduceat(values, np.cumsum(counts) - counts)


def turn_rewards_with_tokens(rewards: Floats, token_rewards: Floats, token_counts: Ints) -> Floats:
    """Turn rewards plus the sum of their tokens' rewards."""
    return rewards + _sums(token_rewards, token_counts)


def token_rewards_with_turns(rewards: Floats, token_rewards: Floats, token_counts: Ints) -> Floats:
    """Token rewards, with each turn's reward added at its last token."""
    combined = token_rewards.copy()
    combined[np.cumsum(token_counts) - 1] += rewards
    return combined


def whiten(advantages: Floats) -> Floats:
    """Mean 0 and deviation 1 over the update."""
    return (advantages - advantages.mean()) / (advantages.std() + EPSILON)
