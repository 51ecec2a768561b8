"""The report of a demo: verdict, curves, results beside the control, costs, and episodes to read."""

from collections.abc import Sequence

from farfield_cli.demo.curves import DRAWN, LEGEND, TITLES
from farfield_cli.demo.recipe import BRANCHES, LABELS, SUITES
from farfield_cli.demo.summary import Outcome, Runs
from farfield_cli.report.chart import chart
from farfield_cli.report.points import percent
from farfield_cli.report.reading import shelves
from farfield_cli.report.report import Facts, Page, Row, costs, ledger, phases, render, success
from farfield_cli.runs.run_folder import Json, RunFolder


def demo_page(runs: Runs, found: Outcome, data: Json) -> str:
    one_each = {LABELS[branch]: runs[branch] for branch in BRANCHES}
    every = {
        f"{label}{_seed(many, n)}": run for label, many in one_each.items() for n, run in enumerate(many)
    }
    page = Page(
        title="What SFT forgets and RL keeps",
        subtitle=_subtitle(runs, found, data),
        charts=tuple(chart(TITLES[s], {b: found.curves[b][s] for b in DRAWN}) for s in SUITES),
        series=tuple((branch, LEGEND[branch]) for branch in DRAWN),
        results=_results(found),
        tables=(
            *([_by_seed(data)] if found.seeds > 1 else []),
            costs(data),
            ledger(every),
            phases({LABELS[branch]: spent for branch, spent in data["phases"].items()}),
        ),
        episodes=[shelf for b in BRANCHES for shelf in shelves(b, runs[b][0], last_only=True)],
        arms=LABELS,
        suites=TITLES,
        verdict=found.verdict,
    )
    return render(page)


def _seed(many: Sequence[RunFolder], number: int) -> str:
    return f", seed {number}" if len(many) > 1 else ""


def _subtitle(runs: Runs, found: Outcome, data: Json) -> str:
    config = runs["init"][0].config
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "one seed"
    parameters = data["compute"]["rl"]["parameters"]
    return (
        f"{config['environment']['name']}: a model of {parameters / 1e6:.2f} M parameters, trained on one "
        "rule and measured on it and on one that training never showed, on hands that training never dealt; "
        f"{seeds}."
    )


def _results(found: Outcome) -> Facts:
    rows = tuple(
        Row(LABELS[branch], tuple(success(found.results[branch][suite]) for suite in SUITES), branch)
        for branch in BRANCHES
    )
    note = "± one standard error. Every branch plays the same episodes, with revision and sampling."
    return Facts("Episodes solved, %", note, tuple(TITLES[suite] for suite in SUITES), rows)


def _by_seed(data: Json) -> Facts:
    rows = tuple(
        Row(
            f"{LABELS[branch]}, {TITLES[suite]}",
            (
                *(percent(seed[branch][suite]["success"]) for seed in data["by_seed"]),
                percent(data[branch][suite]["spread"]),
            ),
        )
        for branch in BRANCHES
        for suite in SUITES
    )
    columns = (*(f"seed {number}" for number in range(len(data["by_seed"]))), "spread")
    return Facts("By seed, %", "Spread: standard deviation between seeds.", columns, rows)
