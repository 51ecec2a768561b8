"""The report of an evaluation: its table, where it comes from, and episodes to read."""

from collections import defaultdict
from pathlib import Path

from farfield_cli.evaluation import files, wording
from farfield_cli.evaluation.result import Json, read
from farfield_cli.evaluation.wording import Grid
from farfield_cli.report.reading import pictures, shelf
from farfield_cli.report.report import Facts, Page, Row
from farfield_cli.report.tokens import decoder

_READ = 60
"""Most episodes of a variant on the page."""


def eval_page(folder: Path) -> Page:
    result = read(folder)
    note = "± is one standard error. A failed episode has no grade and is in no figure."
    origin = Grid(("", ""), tuple(wording.provenance(result.about)))
    episodes = _shelves(folder, result.suite, result.about["policy"])
    return Page(
        title=f"{result.suite}: {result.about['summary']}",
        subtitle=f"{wording.subject(result.about)}; {wording.conditions(result.about)}.",
        charts=(),
        series=(),
        results=_facts("Results", note, wording.results(result)),
        tables=(_facts("Where it comes from", "", origin),),
        episodes=episodes,
        pictures=pictures(episodes, files.pictures(folder)),
    )


def _facts(title: str, note: str, grid: Grid) -> Facts:
    return Facts(title, note, grid.heading[1:], tuple(Row(row[0], row[1:]) for row in grid.rows))


def _shelves(folder: Path, suite: str, policy: Json) -> list[Json]:
    """One for each variant."""
    by_variant: dict[str, list[Json]] = defaultdict(list)
    for trajectory in files.episodes(folder):
        held = by_variant[trajectory["spec"]["suite"]]
        if len(held) < _READ:
            held.append(trajectory)
    decode = decoder([Path(policy["model"])] if "model" in policy else [])
    version = policy["weights"]["version"]
    return [shelf(suite, variant, version, held, decode) for variant, held in by_variant.items()]
