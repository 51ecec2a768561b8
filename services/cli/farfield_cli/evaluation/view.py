"""An evaluation on a screen: one live line a variant for a person, plain lines for a log; then the table."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_cli.evaluation.outcomes import Outcome, failures
from farfield_cli.evaluation.plan import EvalPlan
from farfield_cli.evaluation.wording import Grid, failed, shown
from farfield_kernel.estimates import share


class EvalView:
    def __init__(self, console: Console, plan: EvalPlan) -> None:
        self._console, self._plan = console, plan
        self._outcomes: dict[str, list[Outcome]] = {variant: [] for variant in plan.environments}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with self._progress:
            for variant in self._outcomes:
                self._tasks[variant] = self._progress.add_task(variant, total=self._plan.episodes, figures="")
            yield

    def observe(self, trajectory: Trajectory) -> None:
        variant = trajectory.spec.suite
        outcomes = self._outcomes[variant]
        outcomes.append(Outcome.of(trajectory))
        if variant in self._tasks:
            self._progress.update(self._tasks[variant], completed=len(outcomes), figures=so_far(outcomes))
        elif len(outcomes) == self._plan.episodes:
            self._console.print(f"{variant}: {figures(outcomes)}", markup=False, soft_wrap=True)


def so_far(outcomes: list[Outcome]) -> str:
    """A count and no share: easy episodes end first, so early shares flatter."""
    broken = failures(outcomes)
    return f"{sum(one.success for one in outcomes)} solved" + (
        f", failed: {failed(broken)}" if broken else ""
    )


def figures(outcomes: list[Outcome]) -> str:
    """63.1 ± 2.8 % solved, 2 environment failed"""
    solved = shown("success", share([one.success for one in outcomes if not one.failure]))
    broken = failures(outcomes)
    return f"{solved} % solved" + (f", failed: {failed(broken)}" if broken else "")


def table(grid: Grid) -> Table:
    """The word in brackets of a heading comes below it: columns are narrow."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for index, name in enumerate(grid.heading):
        made.add_column(name.replace(" (", "\n("), justify="right" if index else "left", no_wrap=True)
    for row in grid.rows:
        made.add_row(*map(Text, row))
    return made
