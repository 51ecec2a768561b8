"""What the measured differences say about an experiment's claims, and no more.

A claim holds when the whole interval of its difference lies above the threshold, and does not when the whole
interval lies below it. Else these data cannot tell, and it is said how many more would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farfield_cli.demo.verdict import Status
from farfield_cli.experiment.definition.experiment import run_id
from farfield_cli.experiment.definition.spec import Comparison
from farfield_cli.experiment.judging import statistics
from farfield_cli.experiment.judging.comparing import Sides, said_compute, sample, sides
from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.judging.statistics import Difference
from farfield_cli.report.units import unit_of
from farfield_kernel.errors import FarfieldError

LEAST = 50
"""Episodes a side, over all seeds, below which nothing is claimed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one comparison. `difference`: None where nothing could be compared."""

    status: Status
    why: str
    difference: Difference | None = None
    compared: Sequence[Sides] = ()
    """By seed."""

    def data(self) -> dict[str, Any]:
        found = {"status": self.status.value, "why": self.why}
        if self.difference is None:
            return found
        one = self.difference
        return found | {
            "compared": [[one.place() for one in pair] for pair in self.compared],
            "estimate": round(one.estimate, 6),
            "interval": [round(one.low, 6), round(one.high, 6)],
            "stderr": round(one.stderr, 6),
            "spread": None if one.spread is None else round(one.spread, 6),
            "by_seed": [round(value, 6) for value in one.by_seed],
            "episodes": one.episodes,
        }


def answer(comparison: Comparison, played: Played) -> Answer:
    """From the seeds of which both sides are finished; provisional while others are not."""
    missing = list(_missing(comparison, played))
    done = [seed for seed in played.experiment.seeds if all(seed != late for _, late in missing)]
    if not done:
        return Answer(Status.NOT_ENOUGH, f"not finished: {_named(missing)}")
    try:
        compared = [sides(comparison, played, seed) for seed in done]
        found = statistics.difference([sample(comparison, pair) for pair in compared])
    except FarfieldError as error:
        return Answer(Status.NOT_ENOUGH, str(error))
    flaw = _flaw(comparison, played, done)
    status, why = (Status.NOT_ENOUGH, flaw) if flaw else _told(found, comparison)
    return Answer(status, f"{why}{said_compute(comparison, compared)}", found, compared)


def _flaw(comparison: Comparison, played: Played, done: Sequence[int]) -> str:
    """Why nothing is claimed yet; empty where nothing is in the way."""
    unsound = [name for name in _runs(comparison, played, done) if not _once(played, *name)]
    if unsound:
        return f"{_named(unsound)} did not train on every planned episode exactly once"
    missing = list(_missing(comparison, played))
    return f"provisional; not finished: {_named(missing)}" if missing else ""


def _told(found: Difference, comparison: Comparison) -> tuple[Status, str]:
    threshold = comparison.at_least
    measured = said(found, comparison.compare.metric)
    if found.episodes < LEAST:
        few = f"{found.episodes} graded episodes; nothing is claimed of fewer than {LEAST}"
        return Status.NOT_ENOUGH, f"{measured}: {few}"
    if found.exceeds(threshold):
        return Status.SUPPORTED, f"{measured}{_caveat(found)}"
    if found.stays_below(threshold):
        return Status.NOT_SUPPORTED, f"{measured}{_caveat(found)}"
    return Status.NOT_ENOUGH, f"{measured}: {_more(found, threshold)}"


def said(found: Difference, metric: str) -> str:
    """+12.1 points, 95 % interval +3.0 to +21.2"""
    unit = unit_of(metric)
    estimate, low, high = (
        f"{unit.scale * value:+.{unit.digits}f}" for value in (found.estimate, found.low, found.high)
    )
    return f"{estimate}{unit.points}, 95 % interval {low} to {high}".replace("-", "−")


def _caveat(found: Difference) -> str:
    return "; of one seed, so how much training runs differ is unknown" if found.spread is None else ""


def _more(found: Difference, threshold: float) -> str:
    if found.spread is None:
        episodes = statistics.episodes_that_tell(found, threshold)
        size = f"about {_round(episodes)} episodes" if episodes else "more than 100 times the episodes"
        return f"{size} would tell of these two runs (there are {found.episodes:,}); of training, three seeds"
    seeds, have = statistics.seeds_that_tell(found, threshold), len(found.by_seed)
    if seeds is None:
        return f"too close to tell even with {statistics.MOST_SEEDS} seeds of this size (there are {have})"
    return f"about {seeds} seeds of this size would tell (there are {have})"


def _round(count: int) -> str:
    """Two digits are all that it is worth."""
    return f"{round(count, 2 - len(str(count))):,}"


# What is there


def _runs(comparison: Comparison, played: Played, seeds: Sequence[int]) -> Iterator[tuple[str, int]]:
    for arm in dict.fromkeys((comparison.compare.arm, comparison.against.arm)):
        yield from ((arm, seed) for seed in seeds)


def _missing(comparison: Comparison, played: Played) -> Iterator[tuple[str, int]]:
    for arm, seed in _runs(comparison, played, played.experiment.seeds):
        if not played.finished(arm, seed):
            yield arm, seed


def _once(played: Played, arm: str, seed: int) -> bool:
    run = played.run(arm, seed)
    return run is not None and bool(run.summary.get("trained_exactly_once"))


def _named(runs: Sequence[tuple[str, int]]) -> str:
    return ", ".join(run_id(arm, seed) for arm, seed in runs)
