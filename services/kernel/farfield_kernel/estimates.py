"""Shares, means and differences with their standard errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value. `n`: how many independent observations it stands on; 0 says that there are none."""

    value: float
    stderr: float
    n: int


NOTHING = Estimate(0.0, 0.0, 0)


def share(outcomes: Sequence[bool]) -> Estimate:
    """How many are true; its error is sqrt(p (1 - p) / n)."""
    if not outcomes:
        return NOTHING
    p = sum(outcomes) / len(outcomes)
    return Estimate(p, math.sqrt(p * (1 - p) / len(outcomes)), len(outcomes))


def mean(values: Sequence[float]) -> Estimate:
    """Its error is the standard deviation over sqrt(n)."""
    return clustered([(value, 1) for value in values])


def clustered(clusters: Sequence[tuple[float, int]]) -> Estimate:
    """The mean over all items of clusters that each have a sum and a size, such as the turns of episodes.

    Items of one cluster hang together, so clusters are what is independent: the error of the ratio r = Σs/Σm
    is sqrt(G / (G - 1) · Σ(s - r m)²) / Σm over G clusters (Cochran, Sampling Techniques, §6.3). `n` is G.
    One cluster tells nothing of the spread; its error is 0, as that of a share of one.
    """
    held = [(total, size) for total, size in clusters if size]
    if not held:
        return NOTHING
    count, items = len(held), sum(size for _, size in held)
    ratio = sum(total for total, _ in held) / items
    squares = sum((total - ratio * size) ** 2 for total, size in held)
    scale = count / (count - 1) if count > 1 else 0.0
    return Estimate(ratio, math.sqrt(scale * squares) / items, count)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """first − second, of independent estimates."""
    stderr = math.hypot(first.stderr, second.stderr)
    return Estimate(first.value - second.value, stderr, min(first.n, second.n))
