"""An experiment's result as its page shows it: words, places in charts, and where everything ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from farfield_cli.report.chart import Chart, chart
from farfield_cli.report.points import CurvePoint, Point, percent
from farfield_cli.report.units import unit_of
from farfield_cli.runs.run_folder import Json

FOREST_WIDTH = 260
_SHORT = 12
"""Letters of a name that stands beside a line's end."""
_EDGE = 8
SHIFTS = {"id": "as trained", "rule": "OOD by rule", "look": "OOD by look", "place": "OOD by place"}
MEASURES = {
    "success": "solved",
    "first_attempt": "solved at the first attempt",
    "step_accuracy": "right steps",
    "attempt_1": "right at attempt 1",
    "attempt_2": "right at attempt 2",
    "correction": "attempt 2 − attempt 1",
    "wrong_to_right": "wrong → right",
    "right_to_wrong": "right → wrong",
    "unchanged": "answered the same again",
}


@dataclass(frozen=True, slots=True)
class Span:
    """An interval on the scale that all claims of a page share."""

    low: float
    high: float
    at: float
    bar: float
    """The threshold."""
    zero: float


@dataclass(frozen=True, slots=True)
class Found:
    """A comparison. `mood`: a class of the style sheet."""

    text: str
    badge: str
    mood: str
    why: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class ClaimView:
    found: Found
    paper: str
    control: Found | None
    no_control: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of the table: where it began, where it ended, and what the paper has for it."""

    start: str
    end: str
    error: str
    paper: str


@dataclass(frozen=True, slots=True)
class ArmRow:
    arm: str
    label: str
    cells: tuple[Cell | None, ...]


_CONTROL = {
    "supported": "control holds",
    "not supported": "control does not hold",
    "not enough data": "control open",
}


def measure(name: str) -> str:
    return MEASURES.get(name, name.partition("/")[2].replace("_", " ") or name.replace("_", " "))


def titled(name: str) -> str:
    """With its unit."""
    unit = unit_of(name)
    return f"{measure(name)},{unit.sign}" if unit.sign else measure(name)


def mood(status: str) -> str:
    return status.removeprefix("supported, ").replace(" ", "-")


# Claims


def claim_views(claims: Sequence[Json]) -> list[ClaimView]:
    every = [one for claim in claims for one in (claim, claim.get("control")) if one and "interval" in one]
    scale = _scale(every)
    return [
        ClaimView(
            _found(claim, claim["text"], claim["status"].capitalize(), scale),
            claim["paper"],
            _control(claim["control"], scale) if claim["controlled"] else None,
            claim["no_control"],
        )
        for claim in claims
    ]


def _control(control: Json, scale: tuple[float, float]) -> Found:
    return _found(control, control["text"], _CONTROL[control["status"]], scale)


def _found(one: Json, text: str, badge: str, scale: tuple[float, float]) -> Found:
    return Found(text, badge, mood(one["status"]), one["why"], _span(one, scale))


def _scale(found: Sequence[Json]) -> tuple[float, float]:
    """What every interval and threshold lies within, and zero."""
    ends = [0.0, *(value for one in found for value in (*one["interval"], one["at_least"]))]
    return (min(ends), max(ends)) if max(ends) > min(ends) else (-1.0, 1.0)


def _span(one: Json, scale: tuple[float, float]) -> Span | None:
    if "interval" not in one:
        return None
    low, high = scale
    room = FOREST_WIDTH - 2 * _EDGE

    def x(value: float) -> float:
        return round(_EDGE + room * (value - low) / (high - low), 1)

    return Span(x(one["interval"][0]), x(one["interval"][1]), x(one["estimate"]), x(one["at_least"]), x(0.0))


# Curves


def headline(data: Json) -> str:
    """The measure that the experiment is about."""
    return str(data["paper"]["metric"]) if data["paper"] else "success"


def measures(data: Json) -> dict[str, list[str]]:
    """What is drawn, and on which suites: the headline on all, other measures where they are claimed of."""
    found = {headline(data): list(data["suites"])}
    for claim in data["claims"]:
        for side in (claim["compare"], claim["against"]):
            suites = found.setdefault(side["metric"], [])
            suites += [side["suite"]] if side["suite"] not in suites else []
    return found


def curves(data: Json, suite: str, metric: str) -> dict[str, list[CurvePoint]]:
    """By arm, of the points that have the measure."""
    return {
        arm: [
            CurvePoint(point["update"], point["compute"], _point(point["metrics"][metric]))
            for point in one["curves"].get(suite, [])
            if metric in point["metrics"]
        ]
        for arm, one in data["arms"].items()
    }


def _point(figure: Json) -> Point:
    return Point(figure["value"], figure["n"], figure["stderr"], figure["spread"])


def charts(data: Json, metric: str, suites: Sequence[str]) -> list[tuple[Chart, str]]:
    """A chart for each of the suites that has the measure, and what kind of suite it is."""
    labels = {arm: one["label"] for arm, one in data["arms"].items()}
    names = {arm: label if len(label) <= _SHORT else arm[:_SHORT] for arm, label in labels.items()}
    found = []
    for suite in suites:
        about = data["suites"][suite]
        drawn = {arm: curve for arm, curve in curves(data, suite, metric).items() if curve}
        if drawn:
            short = {arm: names[arm] for arm in drawn}
            found.append(
                (chart(about["label"], drawn, short, unit_of(metric)), SHIFTS.get(about["shift"], ""))
            )
    return found


# Ends


def ends(data: Json, metric: str) -> list[ArmRow]:
    """Each arm's start and end on each suite, beside the paper's."""
    found = {suite: curves(data, suite, metric) for suite in data["suites"]}
    numbers = data["paper"]["numbers"] if data["paper"] and metric == headline(data) else {}
    return [
        ArmRow(
            arm,
            one["label"],
            tuple(cell(found[suite][arm], numbers.get(arm, {}).get(suite, ())) for suite in data["suites"]),
        )
        for arm, one in data["arms"].items()
    ]


def cell(curve: Sequence[CurvePoint], paper: Sequence[float]) -> Cell | None:
    if not curve and not paper:
        return None
    theirs = " → ".join(f"{value:g}" for value in paper)
    if not curve:
        return Cell("", "–", "", theirs)
    start = percent(curve[0].point.success) if len(curve) > 1 else ""
    return Cell(start, percent(curve[-1].point.success), percent(curve[-1].point.stderr), theirs)
