"""Measured success: points with error bars, and what several seeds say together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """Share of episodes solved, of `n` that were graded."""

    success: float
    n: int
    stderr: float
    spread: float | None = None
    """Standard deviation between seeds, where there are several."""
    seeds: int = 1

    def data(self) -> dict[str, Any]:
        spread = {} if self.spread is None else {"spread": round(self.spread, 6)}
        return {"success": round(self.success, 6), "n": self.n, "stderr": round(self.stderr, 6), **spread}


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point along training. `compute`: FLOPs since the shared base."""

    update: int
    compute: float
    point: Point

    def data(self) -> dict[str, Any]:
        return {"update": self.update, "compute": self.compute, **self.point.data()}


def binomial(success: float, n: int) -> Point:
    """One run's share, with its error sqrt(p (1 - p) / n)."""
    return Point(success, n, math.sqrt(success * (1 - success) / n) if n else 0.0)


def pooled(points: Sequence[Point]) -> Point:
    """The mean over seeds. Its error is the larger of two: between seeds, sd / sqrt(seeds), which has the
    luck of training in it but is itself uncertain for few seeds; and that of the episodes alone."""
    if len(points) == 1:
        return points[0]
    mean = sum(point.success for point in points) / len(points)
    spread = math.sqrt(sum((point.success - mean) ** 2 for point in points) / (len(points) - 1))
    episodes = math.sqrt(sum(point.stderr**2 for point in points)) / len(points)
    stderr = max(spread / math.sqrt(len(points)), episodes)
    return Point(mean, sum(point.n for point in points), stderr, spread, len(points))


def pooled_curve(curves: Sequence[Sequence[CurvePoint]]) -> list[CurvePoint]:
    """The mean curve over seeds, at the updates that every seed has."""
    by_update = [{point.update: point for point in curve} for curve in curves]
    shared = set.intersection(*(set(points) for points in by_update)) if by_update else set()
    return [_at([points[update] for points in by_update]) for update in sorted(shared)]


def _at(points: Sequence[CurvePoint]) -> CurvePoint:
    compute = sum(point.compute for point in points) / len(points)
    return CurvePoint(points[0].update, compute, pooled([point.point for point in points]))


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def shown(point: Point) -> str:
    """22.1 ± 1.3"""
    return f"{percent(point.success)} ± {percent(point.stderr)}"


def smallest(points: Iterable[Point]) -> int:
    return min((point.n for point in points), default=0)
