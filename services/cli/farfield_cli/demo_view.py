"""The demo on a screen: a live table for a person, plain lines for a log."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from farfield_cli.demo_summary import Outcome
from farfield_cli.points import Point, shown
from farfield_cli.progress import JobProgress, Progress
from farfield_cli.recipe import BRANCHES, LABELS, SUITES
from farfield_cli.stack import Stack
from farfield_cli.terminal import seconds, size
from farfield_cli.trainer import bar_of
from farfield_cli.verdict import Answer, Status

HEADINGS = {"id": "trained rule", "ood": "unseen rule"}
_MARKS = {Answer.YES: "[green]yes[/green]", Answer.NO: "[red]no[/red]", Answer.OPEN: "[yellow]open[/yellow]"}
_COLORS = {Status.SUPPORTED: "green", Status.NOT_SUPPORTED: "red", Status.NOT_ENOUGH: "yellow"}


class View:
    """`news` is called whenever a run has something to tell: a log gets it as a line."""

    def __init__(self, console: Console, stack: Stack, progress: Progress) -> None:
        self._console, self._stack, self._progress = console, stack, progress

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._live, console=self._console, refresh_per_second=2, transient=True):
            yield

    def news(self, one: JobProgress, text: str) -> None:
        if not self._console.is_terminal:
            line = f"[{seconds(self._progress.elapsed)}] {one.job.run_id}: {text}"
            self._console.print(line, markup=False, soft_wrap=True)

    def _live(self) -> RenderableType:
        table = _table(
            "branch", "seed", "progress", *(f"{HEADINGS[suite]}, %" for suite in SUITES), "time", ""
        )
        for one in self._progress.jobs:
            label, bar = LABELS[one.job.branch], bar_of(one.update, one.job.config["updates"])
            points = [_point(one.latest.get(suite)) for suite in SUITES]
            table.add_row(label, str(one.job.seed), bar, *points, _time(one), one.state)
        return Group(table, Text(self._footer(), style="dim"))

    def _footer(self) -> str:
        left = self._progress.remaining_seconds()
        eta = "" if left is None else f" · about {seconds(left)} to go"
        restarts = "".join(f" · {name} restarted {n}×" for name, n in self._stack.restarts().items())
        return f"{seconds(self._progress.elapsed)}{eta} · memory {size(self._stack.memory.now)}{restarts}"


def _time(one: JobProgress) -> str:
    return seconds((one.ended or one.began) - one.began) if one.over else ""


def _point(point: Point | None) -> str:
    return shown(point) if point else "–"


def _table(*headings: str) -> Table:
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    return table


def print_outcome(console: Console, found: Outcome) -> None:
    """The table and the verdict at the end."""
    results, verdict, seeds = found.results, found.verdict, found.seeds
    fewest = min(point.n for branch in results.values() for point in branch.values())
    what = f"{seeds} seeds" if seeds > 1 else "1 seed"
    table = _table("success, %", *(HEADINGS[suite] for suite in SUITES))
    for branch in BRANCHES:
        table.add_row(LABELS[branch], *(shown(results[branch][suite]) for suite in SUITES))
    console.print()
    console.print(table)
    console.print(f"[dim]± one standard error; {what}, {fewest} episodes or more per point[/dim]\n")
    conditions = _table("", "measured", "condition")
    conditions.columns[2].no_wrap = False
    for condition in verdict.conditions:
        conditions.add_row(_MARKS[condition.answer], condition.measured, condition.text)
    console.print(conditions)
    console.print()
    console.print(verdict.line, style=f"bold {_COLORS[verdict.status]}", markup=False, soft_wrap=True)
    console.print(verdict.control, markup=False, soft_wrap=True)
