"""A report: one HTML file that needs nothing else, for any runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield_cli.demo.verdict import Verdict
from farfield_cli.report import html, palette
from farfield_cli.report.chart import Chart, chart
from farfield_cli.report.points import Point, shown
from farfield_cli.report.reading import pictures, shelves
from farfield_cli.report.units import is_share, unit_of
from farfield_cli.runs.run_folder import Json, RunFolder
from farfield_cli.terminal import seconds, size

_EPISODE_COLUMNS = ("planned", "trained", "failed", "evaluated", "evaluated_failed", "duplicates")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    name: str
    cells: tuple[str, ...]
    mark: str = ""
    """Name of the series in the charts, for its colour."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A table with a heading and a word of explanation."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    subtitle: str
    charts: tuple[Chart, ...]
    series: tuple[tuple[str, str], ...]
    """Name and label of each line."""
    results: Facts
    tables: tuple[Facts, ...]
    episodes: list[Json] = field(default_factory=list)
    """Shelves as `reading` makes them."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Images of the episodes as data URLs, by digest."""
    arms: Mapping[str, str] = field(default_factory=dict)
    suites: Mapping[str, str] = field(default_factory=dict)
    """What they are called for people."""
    verdict: Verdict | None = None


def render(page: Page) -> str:
    return html.render(
        "report.html.j2",
        page=page,
        colours=palette.places(name for name, _ in page.series),
        data=html.embedded(page.episodes, page.pictures, page.arms, page.suites),
        left_out="",
    )


def runs_page(folders: Sequence[Path]) -> Page:
    """The page of any runs, side by side."""
    runs = {folder.name: RunFolder.at(folder) for folder in folders}
    suites = list(dict.fromkeys(suite for run in runs.values() for suite in run.suites))
    curves = {suite: {name: run.curve(suite) for name, run in runs.items()} for suite in suites}
    series = tuple((name, name) for name in runs)
    episodes = [shelf for name, run in runs.items() for shelf in shelves(name, run, last_only=False)]
    return Page(
        title="Farfield runs" if len(runs) > 1 else f"Run {next(iter(runs))}",
        subtitle=", ".join(
            f"{name} ({run.config['algorithm']['kind']}, {run.record['state']})" for name, run in runs.items()
        ),
        charts=tuple(chart(suite, {n: c for n, c in lines.items() if c}) for suite, lines in curves.items()),
        series=series,
        results=_last_results(runs, suites),
        tables=(
            *measured(runs, suites),
            ledger(runs),
            phases({name: run.summary.get("seconds", {}) for name, run in runs.items()}),
        ),
        episodes=episodes,
        pictures=pictures(episodes, (path for run in runs.values() for path in run.pictures())),
    )


def _last_results(runs: Mapping[str, RunFolder], suites: Sequence[str]) -> Facts:
    rows = []
    for name, run in runs.items():
        curves = [run.curve(suite) for suite in suites]
        rows.append(Row(name, tuple(success(curve[-1].point) if curve else "–" for curve in curves), name))
    return Facts(
        "Success, %", "Of the last evaluated version, ± one standard error.", tuple(suites), tuple(rows)
    )


def measured(runs: Mapping[str, RunFolder], suites: Sequence[str]) -> list[Facts]:
    """Right steps, and what the environment itself measured; no table where nothing was."""
    rows = []
    for name, run in runs.items():
        found = {suite: run.last_metrics(suite) for suite in suites}
        names = dict.fromkeys(
            key for metrics in found.values() for key in metrics if f"{key}_stderr" in metrics
        )
        for key in (key for key in names if key not in ("success", "first_attempt")):
            cells = tuple(_measure(metrics, key) for metrics in found.values())
            rows.append(Row(f"{name} · {_named(key)}", cells))
    note = "Of the last evaluated version, over all turns, ± one standard error."
    return [Facts("Measures", note, tuple(suites), tuple(rows))] if rows else []


def _named(key: str) -> str:
    name = "right steps" if key == "step_accuracy" else key.removeprefix("metric/").replace("_", " ")
    return f"{name}, %" if is_share(key) else name


def _measure(metrics: Json, key: str) -> str:
    if key not in metrics:
        return "–"
    unit = unit_of(key)
    return f"{unit.told(metrics[key])} ± {unit.told(metrics[f'{key}_stderr'])}"


def success(point: Point) -> str:
    return f"{shown(point)}  (n = {point.n:,})"


def ledger(runs: Mapping[str, RunFolder]) -> Facts:
    rows = [Row(name, (*_counts(run.summary.get("episodes", {})), _once(run))) for name, run in runs.items()]
    return Facts(
        "Episodes",
        "A failed episode has no grade: it is counted, never rewarded, never trained on. Exactly once: the "
        "trainer's ledger holds every planned episode one time, audited against the plan made anew.",
        (*(name.replace("_", " ") for name in _EPISODE_COLUMNS), "exactly once"),
        tuple(rows),
    )


def _counts(episodes: Json) -> tuple[str, ...]:
    return tuple(f"{episodes[name]:,}" if name in episodes else "–" for name in _EPISODE_COLUMNS)


def _once(run: RunFolder) -> str:
    return {True: "yes", False: "NO"}.get(run.summary.get("trained_exactly_once"), "–")  # type: ignore[arg-type]


def phases(by_run: Mapping[str, Mapping[str, float]]) -> Facts:
    names = list(dict.fromkeys(name for spent in by_run.values() for name in spent))
    rows = tuple(
        Row(run, (*(f"{spent.get(name, 0):.1f}" for name in names), f"{sum(spent.values()):.1f}"))
        for run, spent in by_run.items()
    )
    headings = (*(name.replace("_", " ") for name in names), "in all")
    return Facts("Seconds by phase", "Wall time as the trainer spent it.", headings, rows)


def costs(data: Json) -> Facts:
    """What a demo took of the machine."""
    memory, restarts = data["memory"], data["restarts"]
    rows: list[tuple[str, Any]] = [
        ("wall time", seconds(data["seconds"]["total"])),
        ("starting the stack", seconds(data["seconds"]["start"])),
        ("most memory resident", f"{size(memory['peak_bytes'])} of {size(memory['limit_bytes'])} allowed"),
        ("episodes played", f"{data['episodes']:,}"),
        ("turns played", f"{data['turns']:,}"),
        (
            "processes that died and were started again",
            ", ".join(f"{n} {c}×" for n, c in restarts.items()) or "none",
        ),
    ]
    return Facts("Costs", "", ("",), tuple(Row(name, (value,)) for name, value in rows))
