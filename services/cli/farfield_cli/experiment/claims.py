"""What the measured differences say about an experiment's claims, and no more.

A claim holds when the whole interval of its difference lies above the threshold, and does not when the whole
interval lies below it. Else these data cannot tell, and it is said how many more would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farfield_cli.demo.verdict import Status
from farfield_cli.experiment import statistics
from farfield_cli.experiment.comparing import Sides, said_compute, sample, sides
from farfield_cli.experiment.experiment import run_id
from farfield_cli.experiment.played import Played
from farfield_cli.experiment.spec import Claim, Comparison, Control
from farfield_cli.experiment.statistics import Difference
from farfield_kernel.errors import FarfieldError

LEAST = 50
"""Episodes a side, over all seeds, below which nothing is claimed."""
_FEW = 2
"""Claims that the verdict line still names."""
_MEANS = ("reward_mean", "turns_mean")


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


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what was found. `control`: None where the claim has none."""

    claim: Claim
    answer: Answer
    control: Answer | None

    def data(self) -> dict[str, Any]:
        claim = self.claim
        control = {} if self.control is None else {"control": _control(claim.control) | self.control.data()}
        return {
            "name": claim.name,
            "text": claim.text,
            "paper": claim.paper,
            **_compared(claim),
            **self.answer.data(),
            "controlled": self.control is not None,
            "no_control": claim.no_control,
            **control,
        }


def judged(played: Played) -> list[Judged]:
    return [
        Judged(claim, answer(claim, played), answer(claim.control, played) if claim.control else None)
        for claim in played.experiment.claims
    ]


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
    scale, unit, digits = (1, "", 2) if metric in _MEANS else (100, " points", 1)
    low, high = (f"{scale * value:+.{digits}f}" for value in (found.low, found.high))
    text = f"{scale * found.estimate:+.{digits}f}{unit}, 95 % interval {low} to {high}"
    return text.replace("-", "−")


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


def _compared(comparison: Comparison | None) -> dict[str, Any]:
    return comparison.model_dump(include={"compare", "against", "at_least", "at"}) if comparison else {}


def _control(control: Control | None) -> dict[str, Any]:
    return {"text": control.text, **_compared(control)} if control else {}


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


# The experiment


def status(found: Sequence[Judged]) -> Status:
    """Of all claims together."""
    each = {one.answer.status for one in found}
    if Status.NOT_SUPPORTED in each:
        return Status.NOT_SUPPORTED
    return Status.SUPPORTED if each == {Status.SUPPORTED} else Status.NOT_ENOUGH


def line(found: Sequence[Judged]) -> str:
    """The verdict in one sentence."""
    if not found:
        return "Nothing is claimed: the experiment measures."
    parts_of_it = [
        _counted_claims(found, Status.SUPPORTED, "supported"),
        _counted_claims(found, Status.NOT_SUPPORTED, "not supported"),
        _counted_claims(found, Status.NOT_ENOUGH, "open for want of data"),
    ]
    total = f"{len(found)} claim{'s' if len(found) > 1 else ''}"
    return f"Of {total}: {'; '.join(part for part in parts_of_it if part)}.{_uncontrolled(found)}"


def _counted_claims(found: Sequence[Judged], which: Status, word: str) -> str:
    """With the claims themselves where they are few and not as one would have them."""
    texts = [f"“{one.claim.text}”" for one in found if one.answer.status is which]
    if not texts:
        return ""
    told = which is not Status.SUPPORTED and len(texts) <= _FEW
    return f"{len(texts)} {word}" + (f" ({', '.join(texts)})" if told else "")


def _uncontrolled(found: Sequence[Judged]) -> str:
    held = [one for one in found if one.answer.status is Status.SUPPORTED]
    lost = sum(one.control is not None and one.control.status is not Status.SUPPORTED for one in held)
    return (
        f" {lost} of the supported do{'es' if lost == 1 else ''} not hold against the control."
        if lost
        else ""
    )
