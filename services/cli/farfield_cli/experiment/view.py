"""An experiment's result as its page shows it: words, places in charts, and cells of tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farfield_cli.chart import Chart, chart
from farfield_cli.points import CurvePoint, Point, percent
from farfield_cli.report import Facts, Row
from farfield_cli.run_folder import Json
from farfield_cli.terminal import seconds

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
_BADGES = {"supported": "Supported", "not supported": "Not supported", "not enough data": "Not enough data"}


def measure(name: str) -> str:
    return MEASURES.get(name, name.partition("/")[2].replace("_", " ") or name.replace("_", " "))


def mood(status: str) -> str:
    return status.replace(" ", "-")


# Claims


def claim_views(claims: Sequence[Json]) -> list[ClaimView]:
    every = [one for claim in claims for one in (claim, claim.get("control")) if one and "interval" in one]
    scale = _scale(every)
    return [
        ClaimView(
            _found(claim, claim["text"], _BADGES[claim["status"]], scale),
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


def metrics(data: Json) -> list[str]:
    """The headline, then what else is claimed of."""
    claimed = [claim[side]["metric"] for claim in data["claims"] for side in ("compare", "against")]
    return list(dict.fromkeys([headline(data), *claimed]))


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


def charts(data: Json, metric: str) -> list[tuple[Chart, str]]:
    """A chart for each suite that has the measure, and what kind of suite it is."""
    labels = {arm: one["label"] for arm, one in data["arms"].items()}
    names = {arm: label if len(label) <= _SHORT else arm[:_SHORT] for arm, label in labels.items()}
    found = []
    for suite, about in data["suites"].items():
        drawn = {arm: curve for arm, curve in curves(data, suite, metric).items() if curve}
        if drawn:
            short = {arm: names[arm] for arm in drawn}
            found.append((chart(about["label"], drawn, short), SHIFTS.get(about["shift"], "")))
    return found


# Tables


def ends(data: Json, metric: str) -> list[ArmRow]:
    """Each arm's start and end on each suite, beside the paper's."""
    found = {suite: curves(data, suite, metric) for suite in data["suites"]}
    numbers = data["paper"]["numbers"] if data["paper"] and metric == headline(data) else {}
    return [
        ArmRow(
            arm,
            one["label"],
            tuple(_cell(found[suite][arm], numbers.get(arm, {}).get(suite, ())) for suite in data["suites"]),
        )
        for arm, one in data["arms"].items()
    ]


def _cell(curve: Sequence[CurvePoint], paper: Sequence[float]) -> Cell | None:
    if not curve and not paper:
        return None
    theirs = " → ".join(f"{value:g}" for value in paper)
    if not curve:
        return Cell("", "–", "", theirs)
    start = percent(curve[0].point.success) if len(curve) > 1 else ""
    return Cell(start, percent(curve[-1].point.success), percent(curve[-1].point.stderr), theirs)


def measured(data: Json) -> Iterator[Facts]:
    """Every measure at the end of training, a table for each suite."""
    for suite, about in data["suites"].items():
        last = {
            arm: one["curves"][suite][-1] for arm, one in data["arms"].items() if one["curves"].get(suite)
        }
        names = list(dict.fromkeys(name for point in last.values() for name in point["metrics"]))
        rows = [
            Row(
                data["arms"][arm]["label"],
                tuple(_shown(point["metrics"].get(name)) for name in names),
                arm,
            )
            for arm, point in last.items()
        ]
        yield Facts(about["label"], "", tuple(map(measure, names)), tuple(rows))


def _shown(figure: Json | None) -> str:
    if figure is None:
        return "–"
    if abs(figure["value"]) <= 1:
        return f"{percent(figure['value'])} ± {percent(figure['stderr'])}"
    return f"{figure['value']:.2f} ± {figure['stderr']:.2f}"


def every_point(data: Json, metric: str) -> Facts:
    """What the charts draw, as a table."""
    rows = [
        Row(
            f"{data['arms'][arm]['label']} · {about['label']} · update {point.update}",
            (
                f"{point.compute:.3g}",
                percent(point.point.success),
                percent(point.point.stderr),
                f"{point.point.n:,}",
            ),
            arm,
        )
        for suite, about in data["suites"].items()
        for arm, curve in curves(data, suite, metric).items()
        for point in curve
    ]
    columns = ("FLOPs", f"{measure(metric)}, %", "standard error", "episodes")
    return Facts("Every point of the curves", "", columns, tuple(rows))


def runs(data: Json) -> Facts:
    counted = ("trained", "failed", "evaluated", "evaluated_failed")
    rows = [
        Row(
            f"{one['label']}, seed {seed}",
            (
                run["state"],
                f"{run['compute']:.3g}",
                seconds(sum(run["seconds"].values())) if run["seconds"] else "–",
                *(f"{run['ledger'][name]:,}" if name in run["ledger"] else "–" for name in counted),
                {True: "yes", False: "NO"}.get(run["ledger"].get("exactly_once"), "–"),
            ),
            arm,
        )
        for arm, one in data["arms"].items()
        for seed, run in one["by_seed"].items()
    ]
    columns = (
        "state",
        "FLOPs",
        "time",
        "trained",
        "failed",
        "evaluated",
        "evaluation failed",
        "exactly once",
    )
    note = (
        "A failed episode has no grade: it is counted, never rewarded, never trained on. Exactly once: every "
        "planned episode was trained on one time, audited against the plan made anew."
    )
    return Facts("Runs", note, columns, tuple(rows))


def failures(data: Json) -> Facts | None:
    """Episodes of evaluations that failed, by class; None where none did."""
    by_arm: Mapping[str, dict[str, int]] = {arm: _failed(one) for arm, one in data["arms"].items()}
    classes = sorted({name for found in by_arm.values() for name in found})
    if not classes:
        return None
    rows = [
        Row(data["arms"][arm]["label"], tuple(f"{found.get(name, 0):,}" for name in classes), arm)
        for arm, found in by_arm.items()
    ]
    columns = tuple(name.replace("_", " ") for name in classes)
    return Facts("Failures by class", "Evaluated episodes that came to no grade.", columns, tuple(rows))


def _failed(arm: Json) -> dict[str, int]:
    total: dict[str, int] = {}
    for run in arm["by_seed"].values():
        for name, count in run["failures"].items():
            total[name] = total.get(name, 0) + count
    return total


def provenance(data: Json) -> list[tuple[str, str]]:
    costs, machine, versions = data["costs"], data["machine"], data["versions"]
    sizes = sorted({one["parameters"] for one in data["arms"].values() if one["parameters"]})
    return [
        ("experiment", f"{data['name']}, scale {data['scale']}, seeds {', '.join(map(str, data['seeds']))}"),
        ("model", ", ".join(f"{size / 1e6:.2f} M parameters" for size in sizes) or "–"),
        ("time of all runs", f"{seconds(costs['seconds'])} in {costs['runs']} runs"),
        ("episodes and turns played", f"{costs['episodes']:,} and {costs['turns']:,}"),
        ("machine", f"{machine['cpus']} CPUs, {machine['system']}"),
        (
            "made",
            f"{data['created']}, farfield {versions['farfield']}, Python {versions['python']}",
        ),
        ("compared with", f"{data['paper']['source']}" if data["paper"] else "–"),
    ]
