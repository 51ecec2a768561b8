"""SCoRe: self-correction by multi-turn reinforcement learning. Pure functions over flat arrays of turns.

Kumar et al. 2024, arXiv 2409.12917. Attempts y_1, y_2, … at one task, r(y_t) the reward of an attempt.

    stage 1   r'_1 = 0          r'_t = r(y_t)
    stage 2   r'_1 = r(y_1)     r'_t = r(y_t) + alpha (r(y_t) - r(y_t-1))

A_t = r'_t minus the mean of r'_t over the other episodes of the group (REINFORCE, leave-one-out), without
- alpha r(y_t-1), which y_t has no part in: a baseline may hold anything that is known before y_t. The
expected gradient is the same, its variance less (by 45 % where it was measured, docs/results.md). So stage 2
weighs later attempts by 1 + alpha. The KL terms are `KlConfig`'s: `coefficient` is beta_1, and
`first_turn_coefficient` is beta_2, which holds the first attempt to the base in stage 1.

Deviations. Any number of attempts, where the paper has two. An attempt is credited with its own r'_t alone,
not with those after it: through a discounted return the bonus would pay for a worse first attempt. The
gradient is that of the clipped surrogate: REINFORCE's where an update is one step on fresh episodes.
"""

import numpy as np

from farfield_trainer.learning.advantages import Floats, Ints
from farfield_trainer.learning.algorithm_config import ScoreConfig


def own_rewards(rewards: Floats, attempts: Ints, config: ScoreConfig) -> Floats:
    """r'_t [turns] as far as y_t decides it, of `rewards`, `attempts` [turns], attempts from 0."""
    first = attempts == 0
    if config.stage == 1:
        return np.where(first, 0.0, rewards)
    return np.where(first, rewards, (1 + config.alpha) * rewards)


def leave_one_out(values: Floats, groups: Ints, attempts: Ints) -> Floats:
    """Each value minus the mean of the others with the same group and attempt, all [turns]; 0 for one that
    has no other to be compared with."""
    cells = groups * (attempts.max(initial=0) + 1) + attempts
    count = np.bincount(cells)[cells]
    total = np.bincount(cells, weights=values)[cells]
    compared = count > 1
    centred = np.zeros_like(values)
    mine, others = values[compared], count[compared] - 1
    centred[compared] = mine - (total[compared] - mine) / others
    return centred
