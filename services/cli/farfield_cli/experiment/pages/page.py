"""An experiment's report: `report.html`, and beside it `curves.png`, `results.csv` and `experiment.json`."""

import json
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.pages import browser, result, table, tables, view
from farfield_cli.experiment.pages.browser import Shown
from farfield_cli.report import figure, html, palette
from farfield_cli.report.figure import Panel
from farfield_cli.runs.run_folder import Json
from farfield_kernel.weights import write_durably

REPORT, CURVES, RESULTS = "report.html", "curves.png", "results.csv"


def write(experiment: Experiment, out: Path) -> Json:
    """All of them, from whatever run folders there are. Returns what `experiment.json` holds."""
    out.mkdir(parents=True, exist_ok=True)
    data = result.collect(experiment, out)
    played = Played(experiment, out)
    table.write(data, played, out / RESULTS)
    draw(data, out / CURVES)
    write_durably(out / REPORT, page(data, browser.shown(played)).encode())
    write_durably(out / result.FILE, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
    return data


def html_of(experiment: Experiment, out: Path) -> str:
    """The page alone."""
    return page(result.collect(experiment, out), browser.shown(Played(experiment, out)))


def draw(data: Json, path: Path) -> None:
    """The headline's curves, a panel for each suite."""
    metric = view.headline(data)
    panels = [
        Panel(about["label"], view.curves(data, suite, metric)) for suite, about in data["suites"].items()
    ]
    drawn = [panel for panel in panels if any(panel.curves.values())]
    labels = {arm: one["label"] for arm, one in data["arms"].items()}
    seeds = f"{len(data['seeds'])} seeds" if len(data["seeds"]) > 1 else "1 seed"
    note = f"   ·   {seeds}, bars are ± 1 standard error"
    figure.draw(drawn, labels, path, note, view.titled(metric))


def page(data: Json, shown: Shown) -> str:
    arms = {name: one["label"] for name, one in data["arms"].items()}
    suites = {name: one["label"] for name, one in data["suites"].items()}
    headline = view.headline(data)
    return html.render(
        "experiment.html.j2",
        data_of=data,
        series=tuple(arms.items()),
        colours=palette.places(arms),
        mood=view.mood(data["verdict"]["status"]),
        claims=view.claim_views(data["claims"]),
        forest_width=view.FOREST_WIDTH,
        charts=[
            (view.titled(metric), view.charts(data, metric, suites))
            for metric, suites in view.measures(data).items()
        ],
        ends=view.ends(data, headline),
        headline=view.measure(headline),
        measured=list(tables.measured(data)),
        points=tables.every_point(data, headline),
        runs=tables.runs(data),
        failures=tables.failures(data),
        provenance=tables.provenance(data),
        any_episodes=bool(shown.shelves),
        left_out=shown.left_out,
        data=html.embedded(shown.shelves, shown.pictures, arms, suites),
    )
