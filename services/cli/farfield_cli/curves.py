"""The figure: success on the trained and on the unseen rule against training compute, with error bars.

Compute counts from the shared base, as PAPER counts it (arXiv 2501.17161), on an axis without a logarithm.
Lines join what was measured; nothing is smoothed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farfield_cli.demo_summary import Outcome
from farfield_cli.points import CurvePoint, percent

DRAWN = ("rl", "sft", "sft_matched")
COLORS = {"rl": "#0b6bb8", "sft": "#cf4b16", "sft_matched": "#7d7d86"}
MARKERS = {"rl": "o", "sft": "s", "sft_matched": "^"}
TITLES = {"id": "trained rule (ID)", "ood": "unseen rule (OOD)"}
LEGEND = {"rl": "RL", "sft": "SFT", "sft_matched": "SFT, matched (RL's learning rate and steps)"}

_INK, _QUIET = "#1f2328", "#6a7078"


def draw(found: Outcome, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), dpi=160, facecolor="white")
    axes = figure.subplots(1, 2, sharex=True)
    for ax, suite in zip(axes, TITLES, strict=True):
        _panel(ax, suite, {branch: found.curves[branch][suite] for branch in DRAWN})
    axes[0].set_ylabel("episodes solved, %", color=_INK)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, fontsize=11)
    figure.supxlabel(f"training compute since the base, FLOPs{_footnote(found)}", fontsize=10, color=_QUIET)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    figure.savefig(path)


def _footnote(found: Outcome) -> str:
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "1 seed"
    fewest = min(point.n for branch in found.results.values() for point in branch.values())
    return f"   ·   {seeds}, {fewest:,} episodes a point, bars are ± 1 standard error"


def _panel(ax: Any, suite: str, curves: Mapping[str, Sequence[CurvePoint]]) -> None:
    for branch, curve in curves.items():
        _line(ax, branch, curve)
    highest = max(100 * (p.point.success + p.point.stderr) for curve in curves.values() for p in curve)
    top = min(100.0, 5 * (int(1.12 * highest / 5) + 1))
    ax.set_ylim(0, top)
    ax.set_xlim(left=0)
    _end_labels(ax, curves)
    ax.xaxis.set_major_formatter(lambda flops, _: f"{flops / 1e12:g}T" if flops else "0")
    ax.set_title(TITLES[suite], fontsize=12, color=_INK, loc="left")
    ax.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=_QUIET, labelsize=10)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#c9cdd2")


def _line(ax: Any, branch: str, curve: Sequence[CurvePoint]) -> None:
    ax.errorbar(
        [point.compute for point in curve],
        [100 * point.point.success for point in curve],
        yerr=[100 * point.point.stderr for point in curve],
        label=LEGEND[branch],
        color=COLORS[branch],
        marker=MARKERS[branch],
        markersize=5.5,
        linewidth=2.2,
        elinewidth=1.3,
        capsize=2.5,
        clip_on=False,
        linestyle="--" if branch == "sft_matched" else "-",
    )


def _end_labels(ax: Any, curves: Mapping[str, Sequence[CurvePoint]]) -> None:
    """The last value of each line: beside its end; of the short control above or below it, on the side
    that its line does not come from."""
    for branch, curve in curves.items():
        end, beside = curve[-1].point, branch != "sft_matched"
        side = 0 if beside else 1 if end.success >= curve[0].point.success else -1
        ax.annotate(
            percent(end.success),
            (curve[-1].compute, 100 * (end.success + side * end.stderr)),
            xytext=(8 if beside else 0, 6 * side),
            textcoords="offset points",
            ha="left" if beside else "center",
            va={-1: "top", 0: "center", 1: "bottom"}[side],
            fontsize=10.5,
            fontweight="bold",
            color=COLORS[branch],
            annotation_clip=False,
        )
