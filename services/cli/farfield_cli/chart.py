"""Geometry of a line chart with error bars, in the units of an SVG of fixed size; the template draws it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farfield_cli.points import CurvePoint, shown

WIDTH, HEIGHT = 520, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 56, 14, 34
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    dots: tuple[Dot, ...]
    end: str
    """The last value."""

    @property
    def points(self) -> str:
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def chart(title: str, curves: Mapping[str, Sequence[CurvePoint]]) -> Chart:
    """Success in percent against training compute."""
    points = [point for curve in curves.values() for point in curve]
    x_step, x_top = _scale(max((point.compute for point in points), default=0.0))
    y_step, y_top = _scale(100 * max((p.point.success + p.point.stderr for p in points), default=0.0))
    y_top = min(y_top, 100.0)

    def x(value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * value / x_top

    def y(percent: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * percent / y_top

    def dot(one: CurvePoint) -> Dot:
        value, error = 100 * one.point.success, 100 * one.point.stderr
        title = (
            f"update {one.update}: {shown(one.point)} %, {one.point.n} episodes, {flops(one.compute)} FLOPs"
        )
        return Dot(x(one.compute), y(value), y(max(0.0, value - error)), y(min(100.0, value + error)), title)

    return Chart(
        title,
        tuple(Tick(x(value), flops(value)) for value in _steps(x_step, x_top)),
        tuple(Tick(y(value), f"{value:g}") for value in _steps(y_step, y_top)),
        tuple(
            Line(name, tuple(map(dot, curve)), f"{100 * curve[-1].point.success:.1f}")
            for name, curve in curves.items()
            if curve
        ),
    )


def flops(value: float) -> str:
    """2.5T, 310G, 0."""
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _scale(highest: float) -> tuple[float, float]:
    """A round step, and the first multiple of it that holds everything."""
    if highest <= 0:
        return 1.0, 1.0
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return step, step * math.ceil(highest / step)


def _steps(step: float, top: float) -> list[float]:
    return [step * index for index in range(round(top / step) + 1)]
