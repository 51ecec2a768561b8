"""The figure of curves: a panel for each suite, value against training compute, with error bars.

Lines join what was measured; nothing is smoothed. The axis has no logarithm.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield_cli.report import palette
from farfield_cli.report.chart import flops, parted, spread
from farfield_cli.report.points import CurvePoint, Point, percent

_INK, _QUIET = "#1f2328", "#59616b"
_COLUMNS = 3
_LABEL_SHARE = 0.062
"""Height of a label, of the panel's."""


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    curves: Mapping[str, Sequence[CurvePoint]]
    """By series, in shares."""


def draw(
    panels: Sequence[Panel],
    labels: Mapping[str, str],
    path: Path,
    note: str,
    value: str = "episodes solved, %",
) -> None:
    """`labels`: of the series, in the order of the legend. `note`: what goes under the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = max(1, min(_COLUMNS, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    legend_inches = 0.3 * math.ceil(len(labels) / 4)
    height = 3.9 * rows + legend_inches + 0.2
    figure = Figure(figsize=(5 * columns, height), dpi=160, facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False)
    places = palette.places(labels)
    for number, ax in enumerate(axes.flat):
        if number < len(panels):
            _panel(ax, panels[number], places)
            ax.set_ylabel(value if number % columns == 0 else "", color=_INK)
        else:
            ax.set_visible(False)
    _legend(figure, labels, places)
    figure.supxlabel(f"training compute since the base, FLOPs{note}", fontsize=10, color=_QUIET)
    figure.tight_layout(rect=(0, 0, 1, 1 - legend_inches / height))
    figure.savefig(path)


def _panel(ax: Any, panel: Panel, places: Mapping[str, int]) -> None:
    lines, base = parted(panel.curves)
    for name, curve in lines.items():
        _line(ax, curve, places[name])
    if base:
        ax.axhline(100 * base.success, color=_QUIET, linewidth=1, linestyle=(0, (1, 3)))
    _scale(ax, [point.point for curve in panel.curves.values() for point in curve])
    _end_labels(ax, lines, places)
    ax.xaxis.set_major_formatter(lambda value, _: flops(value))
    ax.set_title(panel.title, fontsize=12, color=_INK, loc="left")
    ax.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=_QUIET, labelsize=10)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#c9cdd2")


def _scale(ax: Any, points: Sequence[Point]) -> None:
    """From zero, or lower where a measure is a difference."""
    highest = max((100 * (point.success + point.stderr) for point in points), default=1.0)
    lowest = min((100 * (point.success - point.stderr) for point in points), default=0.0)
    below = 5 * math.floor(lowest / 5) if any(point.success < 0 for point in points) else 0.0
    ax.set_ylim(below, min(100.0, 5 * (int(1.12 * highest / 5) + 1)))
    ax.set_xlim(left=0)


def _line(ax: Any, curve: Sequence[CurvePoint], place: int) -> None:
    dash = tuple(map(float, palette.DASHES[place].split()))
    ax.errorbar(
        [point.compute for point in curve],
        [100 * point.point.success for point in curve],
        yerr=[100 * point.point.stderr for point in curve],
        color=palette.LIGHT[place],
        marker=palette.MARKS[place],
        markersize=5.5,
        linewidth=2.0,
        elinewidth=1.2,
        capsize=2.5,
        clip_on=False,
        linestyle=(0, dash) if dash else "-",
    )


def _end_labels(ax: Any, curves: Mapping[str, Sequence[CurvePoint]], places: Mapping[str, int]) -> None:
    """The last value of each line at the right, led to where it ends; those that would overlap give way."""
    (low, high), right = ax.get_ylim(), ax.get_xlim()[1]
    ends = sorted(((-100 * curve[-1].point.success, name) for name, curve in curves.items()))
    moved = spread([place for place, _ in ends], _LABEL_SHARE * (high - low), -low)
    for place, (value, name) in zip(moved, ends, strict=True):
        colour, end = palette.LIGHT[places[name]], curves[name][-1].compute
        ax.plot([end, right], [-value, -place], color=colour, linewidth=0.8, alpha=0.45, clip_on=False)
        ax.annotate(
            percent(-value / 100),
            (right, -place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=10.5,
            fontweight="bold",
            color=colour,
            annotation_clip=False,
        )


def _legend(figure: Any, labels: Mapping[str, str], places: Mapping[str, int]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=palette.LIGHT[place], marker=palette.MARKS[place], label=labels[name], linewidth=2
        )
        for name, place in ((name, places[name]) for name in labels)
    ]
    figure.legend(
        handles=handles, loc="upper center", ncols=min(4, len(handles)), frameon=False, fontsize=10.5
    )
