"""The tables of an experiment's page."""

from collections.abc import Iterator, Mapping

from farfield_cli.experiment.pages.view import curves, titled
from farfield_cli.report.points import percent
from farfield_cli.report.report import Facts, Row
from farfield_cli.report.units import unit_of
from farfield_cli.runs.run_folder import Json
from farfield_cli.terminal import seconds, size


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
                tuple(_shown(name, point["metrics"].get(name)) for name in names),
                arm,
            )
            for arm, point in last.items()
        ]
        yield Facts(about["label"], "", tuple(map(titled, names)), tuple(rows))


def _shown(name: str, figure: Json | None) -> str:
    if figure is None:
        return "–"
    unit = unit_of(name)
    return f"{unit.told(figure['value'])} ± {unit.told(figure['stderr'])}"


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
    columns = ("FLOPs", titled(metric), "standard error", "episodes")
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
        ("time of all runs", f"{seconds(costs['seconds'])} in {costs['runs']} runs{_taken(costs)}"),
        *_machine(costs),
        ("episodes and turns played", f"{costs['episodes']:,} and {costs['turns']:,}"),
        ("machine", f"{machine['cpus']} CPUs, {machine['system']}"),
        (
            "made",
            f"{data['created']}, farfield {versions['farfield']}, Python {versions['python']}",
        ),
        ("compared with", f"{data['paper']['source']}" if data["paper"] else "–"),
    ]


def _taken(costs: Json) -> str:
    count = costs.get("taken", 0)
    return f", {count} of them taken over from other experiments" if count else ""


def _machine(costs: Json) -> list[tuple[str, str]]:
    """What was spent where it was played on one machine."""
    if not costs.get("wall_seconds"):
        return []
    restarts = ", ".join(f"{name} {count}×" for name, count in costs["restarts"].items()) or "none"
    return [
        ("wall time", seconds(costs["wall_seconds"])),
        ("most memory resident", size(costs["peak_bytes"])),
        ("processes that died and were started again", restarts),
    ]
