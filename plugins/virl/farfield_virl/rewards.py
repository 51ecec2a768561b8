"""Rewards: from the fault of an answer to named terms whose sum is the reward.

- `paper`: +1 for the right action; −1 for a wrong one; −1.5 where the observation was wrong about being
  at an intersection, or did not name the landmark that is there; a response without an answer in the
  form asked for is a wrong action. The attempt that spends the budget of its point costs one more.
- `outcome`: 1 for the right action, otherwise 0.

Deviations from the public reference implementation of arXiv 2501.17161. It looks for an intersection in
the name of the landmark, which holds none, so that there every wrong answer that speaks of an
intersection is a wrong observation; here the point itself decides. It charges the spent budget to one
more response that is never judged; here to the last that is. Its −1.75 for a wrong instruction is defined
there and never given; here neither.
"""

from collections.abc import Mapping
from typing import Literal

from farfield_virl.judging import Fault

Rewards = Literal["paper", "outcome"]

CORRECT = 1.0
BUDGET_SPENT = -1.0
_PAPER: Mapping[Fault, float] = {
    Fault.MALFORMED: -1.0,
    Fault.INTERSECTION: -1.5,
    Fault.LANDMARK: -1.5,
    Fault.UNKNOWN: -1.0,
    Fault.ACTION: -1.0,
}


def reward_terms(rewards: Rewards, fault: Fault | None, spent: bool) -> dict[str, float]:
    """The parts of an attempt's reward by name."""
    if rewards == "outcome":
        return {"correct": 0.0 if fault else 1.0}
    if fault is None:
        return {"correct": CORRECT}
    found = {fault.value: _PAPER[fault]}
    return {**found, "budget": BUDGET_SPENT} if spent else found
