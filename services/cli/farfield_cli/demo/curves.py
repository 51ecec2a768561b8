"""The demo's figure: success on the trained and on the unseen rule against training compute.

Compute counts from the shared base, as PAPER counts it (arXiv 2501.17161).
"""

from pathlib import Path

from farfield_cli.demo.summary import Outcome
from farfield_cli.report import figure
from farfield_cli.report.figure import Panel

DRAWN = ("rl", "sft", "sft_matched")
TITLES = {"id": "trained rule (ID)", "ood": "unseen rule (OOD)"}
LEGEND = {"rl": "RL", "sft": "SFT", "sft_matched": "SFT, matched (RL's learning rate and steps)"}


def draw(found: Outcome, path: Path) -> None:
    panels = [
        Panel(title, {branch: found.curves[branch][suite] for branch in DRAWN})
        for suite, title in TITLES.items()
    ]
    figure.draw(panels, LEGEND, path, _note(found))


def _note(found: Outcome) -> str:
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "1 seed"
    fewest = min(point.n for branch in found.results.values() for point in branch.values())
    return f"   ·   {seeds}, {fewest:,} episodes a point, bars are ± 1 standard error"
