"""What the figures of benchmarks look like: light, a row of panels, series told apart as in the reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farfield_cli.report import palette

INK, QUIET, GRID = "#1f2328", "#59616b", "#e6e8eb"
COLOURS = palette.LIGHT[1:]
MARKS = palette.MARKS[1:]


def row(panels: int, height: float = 3.8) -> tuple[Any, Sequence[Any]]:
    """A figure, and the axes of its panels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.7 * panels, height), dpi=130, facecolor="white")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def titled(ax: Any, title: str, x: str, y: str) -> None:
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    ax.set_xlabel(x, color=QUIET)
    ax.set_ylabel(y, color=QUIET)
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=QUIET, labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#c9cdd2")


def line(
    ax: Any, xs: Sequence[float], spreads: Sequence[Sequence[float]], place: int, label: str, style: str = "-"
) -> None:
    """`spreads`: of each point all that was measured; the line joins medians, bars reach to both ends."""
    from statistics import median

    middles = [median(values) for values in spreads]
    below = [middle - min(values) for middle, values in zip(middles, spreads, strict=True)]
    above = [max(values) - middle for middle, values in zip(middles, spreads, strict=True)]
    errors = [below, above] if any(below + above) else None
    look = {"color": COLOURS[place], "marker": MARKS[place], "markersize": 5, "linestyle": style}
    ax.errorbar(xs, middles, yerr=errors, capsize=2.5, linewidth=1.8, elinewidth=1.1, label=label, **look)


def stacked(ax: Any, names: Sequence[str], parts: Mapping[str, Sequence[float]]) -> None:
    """A bar for each name, made of the parts from the bottom up."""
    bottoms = [0.0] * len(names)
    for place, (part, values) in enumerate(parts.items()):
        ax.bar(names, values, bottom=bottoms, width=0.62, color=COLOURS[place], label=part)
        bottoms = [bottom + value for bottom, value in zip(bottoms, values, strict=True)]


def keyed(ax: Any, columns: int = 3) -> None:
    """A legend above what is drawn."""
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, 1.3 * top)
    ax.legend(frameon=False, fontsize=8.5, ncols=columns, loc="upper left")


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
