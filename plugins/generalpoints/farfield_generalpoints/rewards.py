"""Rewards: from the faults of an answer to named terms whose sum is the reward.

- `outcome`: 1 when solved, otherwise 0.
- `reference`: the table of the public reference implementation, where penalties of several faults add up.
- `paper`: the simpler table in the text of arXiv 2501.17161: an attempt has one grade, its worst.

In `reference` and `paper`, an attempt that spends the verification budget costs one more point.

Two deliberate deviations from the reference implementation, which evaluates with floating-point `eval`:

1. Values are exact. `4/(7/6-1)` for 1, 4, 6, 7 is worth 24 and earns +5; the reference gives it 0.
2. A formula that ends too early is a grade of its own. The reference never finds fault with an unclosed
   parenthesis; here `reference` keeps the +1 where closing the parentheses solves the hand and gives
   −1 where it does not, and `paper` gives −3, as to any formula that does not parse.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from farfield_generalpoints.judging import Fault

Rewards = Literal["paper", "reference", "outcome"]

SOLVED = 5.0
BUDGET_SPENT = -1.0

_REFERENCE: Mapping[Fault, float] = {
    Fault.MALFORMED: -3.0,
    Fault.MISREAD: -1.5,
    Fault.CHARACTER: -3.0,
    Fault.SYNTAX: -3.0,
    Fault.FOREIGN: -2.0,
    Fault.UNUSED: -2.0,
    Fault.UNFINISHED: -1.0,
    Fault.PROMISING: 1.0,
    Fault.VALUE: -1.0,
}
_PAPER: Mapping[Fault, float] = {**_REFERENCE, Fault.UNFINISHED: -3.0, Fault.PROMISING: -3.0}


def reward_terms(rewards: Rewards, faults: Sequence[Fault], spent: bool) -> dict[str, float]:
    """The parts of an attempt's reward by name."""
    if rewards == "outcome":
        return {"solved": 0.0 if faults else 1.0}
    if not faults:
        return {"solved": SOLVED}
    found = _summed(faults) if rewards == "reference" else _worst(faults)
    return {**found, "budget": BUDGET_SPENT} if spent else found


def _summed(faults: Sequence[Fault]) -> dict[str, float]:
    """An early end counts only where the numbers are right, as values do in the reference."""
    counted = [fault for fault in faults if fault is not Fault.UNFINISHED] or faults
    return {fault.value: _REFERENCE[fault] * n for fault, n in Counter(counted).items()}


def _worst(faults: Sequence[Fault]) -> dict[str, float]:
    worst = min(faults, key=_PAPER.__getitem__)
    return {worst.value: _PAPER[worst]}
