"""Runs on a screen while they are played: a live table for a person, plain lines for a log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from farfield_cli.lanes.progress import J, JobProgress, Progress
from farfield_cli.report.points import Point, shown
from farfield_cli.runs.trainer import bar_of
from farfield_cli.stack.stack import Stack
from farfield_cli.terminal import seconds, size

_AROUND = 4
"""Lines of a screen that are not a run's."""


class JobsView(Generic[J]):
    """`news` is called whenever a run has something to tell: a log gets it as a line."""

    def __init__(
        self,
        console: Console,
        stack: Stack,
        progress: Progress[J],
        headings: Sequence[str],
        names: Callable[[J], Sequence[str]],
        suites: Mapping[str, str],
    ) -> None:
        """`names`: what a row begins with, below the `headings`; `suites`: labels of those that are shown."""
        self._console, self._stack, self._progress = console, stack, progress
        self._headings, self._names, self._suites = headings, names, suites

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._live, console=self._console, refresh_per_second=2, transient=True):
            yield

    def news(self, one: JobProgress[J], text: str) -> None:
        if not self._console.is_terminal:
            line = f"[{seconds(self._progress.elapsed)}] {one.job.run_id}: {text}"
            self._console.print(line, markup=False, soft_wrap=True)

    def _live(self) -> RenderableType:
        labels = [f"{label}, %" for label in self._suites.values()]
        table = plain_table(*self._headings, "progress", *labels, "time", "")
        for one in self._rows():
            bar = bar_of(one.update, one.job.config["updates"])
            points = [_point(one.latest.get(suite)) for suite in self._suites]
            table.add_row(*self._names(one.job), bar, *points, _time(one), one.state)
        return Group(table, Text(self._footer(), style="dim"))

    def _rows(self) -> Sequence[JobProgress[J]]:
        """All; or on a screen that is too low, those that are played, then what comes, then what is over."""
        runs, room = self._progress.jobs, self._console.height - _AROUND
        if len(runs) <= room:
            return runs
        return sorted(runs, key=lambda one: (one.over, not one.began))[:room]

    def _footer(self) -> str:
        left = self._progress.remaining_seconds()
        eta = "" if left is None else f" · about {seconds(left)} to go"
        over = sum(one.over for one in self._progress.jobs)
        runs = f" · {over} of {len(self._progress.jobs)} runs"
        restarts = "".join(f" · {name} restarted {n}×" for name, n in self._stack.restarts().items())
        memory = size(self._stack.memory.now)
        return f"{seconds(self._progress.elapsed)}{eta}{runs} · memory {memory}{restarts}"


def _time(one: JobProgress[J]) -> str:
    return seconds((one.ended or one.began) - one.began) if one.over and one.began else ""


def _point(point: Point | None) -> str:
    return shown(point) if point else "–"


def plain_table(*headings: str) -> Table:
    """Without a frame, one line for each row."""
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    return table
