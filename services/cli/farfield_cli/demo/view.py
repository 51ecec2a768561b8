"""The demo on a screen: a live table for a person, plain lines for a log."""

from rich.console import Console

from farfield_cli.demo.recipe import BRANCHES, LABELS, SUITES, Job
from farfield_cli.demo.summary import Outcome
from farfield_cli.demo.verdict import Answer, Status
from farfield_cli.lanes.progress import Progress
from farfield_cli.lanes.view import JobsView, plain_table
from farfield_cli.report.points import shown
from farfield_cli.stack.stack import Stack

HEADINGS = {"id": "trained rule", "ood": "unseen rule"}
_MARKS = {Answer.YES: "[green]yes[/green]", Answer.NO: "[red]no[/red]", Answer.OPEN: "[yellow]open[/yellow]"}
_COLORS = {Status.SUPPORTED: "green", Status.NOT_SUPPORTED: "red", Status.NOT_ENOUGH: "yellow"}


def view_of(console: Console, stack: Stack, progress: Progress[Job]) -> JobsView[Job]:
    """The runs while they are played."""
    return JobsView(
        console,
        stack,
        progress,
        ("branch", "seed"),
        lambda job: (LABELS[job.branch], str(job.seed)),
        HEADINGS,
    )


def print_outcome(console: Console, found: Outcome) -> None:
    """The table and the verdict at the end."""
    results, verdict, seeds = found.results, found.verdict, found.seeds
    fewest = min(point.n for branch in results.values() for point in branch.values())
    what = f"{seeds} seeds" if seeds > 1 else "1 seed"
    table = plain_table("success, %", *(HEADINGS[suite] for suite in SUITES))
    for branch in BRANCHES:
        table.add_row(LABELS[branch], *(shown(results[branch][suite]) for suite in SUITES))
    console.print()
    console.print(table)
    console.print(f"[dim]± one standard error; {what}, {fewest} episodes or more per point[/dim]\n")
    conditions = plain_table("", "measured", "condition")
    conditions.columns[2].no_wrap = False
    for condition in verdict.conditions:
        conditions.add_row(_MARKS[condition.answer], condition.measured, condition.text)
    console.print(conditions)
    console.print()
    console.print(verdict.line, style=f"bold {_COLORS[verdict.status]}", markup=False, soft_wrap=True)
    console.print(verdict.control, markup=False, soft_wrap=True)
