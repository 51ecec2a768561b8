"""Geometry of a line chart with error bars, in the units of an SVG of fixed size; the template draws it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farfield_cli.report.points import CurvePoint, Point
from farfield_cli.report.units import PERCENT, Unit

WIDTH, HEIGHT = 460, 300
_LEFT, _TOP, _BOTTOM = 38, 14, 34
_RIGHT_VALUE, _LETTER = 50, 7.8
"""Room for a line's last value, and for each letter of its name before it."""
_TICKS = 5
_LABEL_HEIGHT = 16


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
    """The last value, with the name where lines are labelled."""
    end_y: float
    """Where it stands at the right, clear of the others."""

    @property
    def points(self) -> str:
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    right: float
    reference: float | None
    """Where the shared start lies, for one to see what is gained and lost."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def chart(
    title: str,
    curves: Mapping[str, Sequence[CurvePoint]],
    names: Mapping[str, str] | None = None,
    unit: Unit = PERCENT,
) -> Chart:
    """Values against training compute. `names`: short ones, to stand beside the lines' ends."""
    drawn, base = parted(curves)
    named = {name: word for name, word in (names or {}).items() if name in drawn}
    points = [point for curve in curves.values() for point in curve]
    right = WIDTH - _RIGHT_VALUE - _LETTER * max((len(name) for name in named.values()), default=0)
    x_step, x_top = _scale(max((point.compute for point in points), default=0.0))
    y_step, y_low, y_top = _range([point.point for point in points], unit)

    def x(value: float) -> float:
        return _LEFT + (right - _LEFT) * value / x_top

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - y_low) / (y_top - y_low)

    def dot(one: CurvePoint) -> Dot:
        value, error = unit.scale * one.point.success, unit.scale * one.point.stderr
        measured = f"{unit.shown(one.point)}{unit.sign}, {one.point.n} episodes"
        title = f"update {one.update}: {measured}, {flops(one.compute)} FLOPs"
        return Dot(
            x(one.compute), y(value), y(max(y_low, value - error)), y(min(y_top, value + error)), title
        )

    lines = [
        _line(
            name, f"{named.get(name, '')} {unit.told(curve[-1].point.success)}", [dot(one) for one in curve]
        )
        for name, curve in drawn.items()
    ]
    y_steps = [y_low + value for value in _steps(y_step, y_top - y_low)]
    return Chart(
        title,
        tuple(Tick(x(value), flops(value)) for value in _steps(x_step, x_top)),
        tuple(Tick(y(value), f"{value:g}") for value in y_steps),
        tuple(_apart(lines)),
        right,
        y(unit.scale * base.success) if base else None,
    )


def parted(
    curves: Mapping[str, Sequence[CurvePoint]],
) -> tuple[dict[str, Sequence[CurvePoint]], Point | None]:
    """The lines, and the start that they share, where it is a series of its own of one point."""
    lines = {name: curve for name, curve in curves.items() if curve and curve[-1].compute > 0}
    starts = [curve[0].point for name, curve in curves.items() if curve and name not in lines]
    if not lines:
        return {name: curve for name, curve in curves.items() if curve}, None
    return lines, starts[0] if starts else None


def _range(points: Sequence[Point], unit: Unit) -> tuple[float, float, float]:
    """A step, the lowest and the highest value. Error bars of shares do not leave 0 to 100."""
    high = max((unit.scale * (one.success + one.stderr) for one in points), default=0.0)
    low = min((unit.scale * (one.success - one.stderr) for one in points), default=0.0)
    high, low = max(high, 0.0), low if any(one.success < 0 for one in points) else 0.0
    step, _ = _scale(high - low)
    bottom = step * math.floor(low / step)
    top = max(step * math.ceil(high / step), bottom + step)
    return step, bottom, min(top, 100.0) if unit is PERCENT else top


def _line(name: str, end: str, dots: Sequence[Dot]) -> Line:
    return Line(name, tuple(dots), end.strip(), dots[-1].y)


def _apart(lines: Sequence[Line]) -> list[Line]:
    """Ends that would overlap give way: down, and where that leaves the chart, up."""
    ordered = sorted(lines, key=lambda one: one.end_y)
    places = spread([line.end_y for line in ordered], _LABEL_HEIGHT, HEIGHT - _BOTTOM)
    moved = {line.name: replace(line, end_y=y) for line, y in zip(ordered, places, strict=True)}
    return [moved[line.name] for line in lines]


def spread(places: Sequence[float], apart: float, most: float) -> list[float]:
    """Growing places, moved so that they are `apart` and, as far as that goes, not beyond `most`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + apart) if moved else place)
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], most)
        most = moved[index] - apart
    return moved


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
