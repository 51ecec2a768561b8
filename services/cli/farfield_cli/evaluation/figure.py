"""The figure: a bar for each variant with its error, one panel for each share that was measured.

ID and OOD differ in colour and in hatching, so that the figure can be read in black and white.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from farfield_cli.evaluation.result import SHARES, Result
from farfield_cli.evaluation.suites import LABELS, Shift
from farfield_cli.evaluation.wording import TITLES, conditions, subject

_FACES: dict[Shift, str] = {
    "id": "#4a8fcb",
    "rule": "#f2a05c",
    "look": "#f6cfa8",
    "ood": "#f2a05c",
    "other": "#d5d8dc",
}
_HATCHES: dict[Shift, str] = {"id": "", "rule": "///", "look": "...", "ood": "///", "other": "xx"}
_NOTE_WIDTH = 16
"""Letters of the footnote in an inch."""
_INK, _QUIET = "#1f2328", "#6a7078"


@dataclass(frozen=True, slots=True)
class Bar:
    """In percent."""

    variant: str
    shift: Shift
    height: float
    error: float

    @property
    def label(self) -> str:
        return f"{self.height:.1f}"


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    bars: tuple[Bar, ...]


def panels(result: Result) -> list[Panel]:
    """What is drawn. Variants without a graded episode have no bar."""
    measures = {name: one.measures for name, one in result.variants.items()}
    found = []
    for measure in SHARES:
        bars = tuple(
            Bar(
                name,
                one.shift,
                100 * measures[name][measure].value,
                100 * measures[name][measure].stderr,
            )
            for name, one in result.variants.items()
            if measure in measures[name] and measures[name][measure].n
        )
        if bars:
            found.append(Panel(TITLES[measure], bars))
    return found


def draw(result: Result, paths: Sequence[Path]) -> None:
    """Into each of the files, in the format of its name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    shown = panels(result)
    width = max(4.5, sum(1.2 + 0.8 * len(panel.bars) for panel in shown))
    figure = Figure(figsize=(width, 4.2), dpi=160, facecolor="white")
    axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    for ax, panel in zip(axes, shown, strict=False):
        _draw_panel(ax, panel)
    _legend(figure, [bar.shift for panel in shown for bar in panel.bars])
    figure.suptitle(f"{result.suite}: {subject(result.about)}", fontsize=10.5, color=_INK)
    note = fill(f"{conditions(result.about)}; bars are ± 1 standard error", round(_NOTE_WIDTH * width))
    figure.supxlabel(note, fontsize=7.5, color=_QUIET)
    figure.tight_layout(rect=(0, 0.03, 1, 0.93))
    for path in paths:
        figure.savefig(path)


def _draw_panel(ax: Any, panel: Panel) -> None:
    for place, bar in enumerate(panel.bars):
        ax.bar(
            place,
            bar.height,
            width=0.72,
            color=_FACES[bar.shift],
            hatch=_HATCHES[bar.shift],
            edgecolor=_INK,
            linewidth=0.8,
            yerr=bar.error,
            error_kw={"ecolor": _INK, "elinewidth": 1.4, "capsize": 4},
        )
        top = bar.height + bar.error
        ax.annotate(
            bar.label,
            (place, top),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            fontweight="bold",
            color=_INK,
        )
    highest = max(bar.height + bar.error for bar in panel.bars)
    ax.set_ylim(0, min(112.0, max(1.18 * highest, 5.0)))
    ax.set_xlim(-0.6, len(panel.bars) - 0.4)
    ax.set_xticks(range(len(panel.bars)), [bar.variant for bar in panel.bars], fontsize=9)
    ax.set_title(panel.title, fontsize=10.5, color=_INK, loc="left")
    ax.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=_QUIET)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _legend(figure: Any, shifts: Sequence[Shift]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=_FACES[shift], hatch=_HATCHES[shift], edgecolor=_INK, label=LABELS[shift])
        for shift in dict.fromkeys(shifts)
    ]
    figure.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.94),
        ncols=max(len(patches), 1),
        frameon=False,
        fontsize=9,
    )
