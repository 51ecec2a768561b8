"""A model of a thousand workers and 64 policy replicas, calibrated by `growth.py`. Nothing here is measured.

Three parts. *Calibration*: CPU seconds of each process as a line in the turns of an episode, fitted to the
axis `turns`. *Check*: the simulation (`scale_simulation.py`) of the other points on as many cores, with
nothing else running, beside what was measured there. *Scale*: arithmetic says where each part that there is
only one of ends (the utilization law: CPU per episode times episodes per second), and what other assumptions
do to it; the simulation says how old the policy of a turn is when it is trained on.

    python -m benchmarks.growth.scale_model [--measured benchmarks/results/growth.json] [--figure]

Assumed, and not measured: a response lasts 2 s, spread as the logarithm of a normal variable (σ = 0.5); a
replica answers 64 prompts at once; a core of a cluster is as fast as the measured one; a link carries 10
Gbit/s; an update trains on 4,096 episodes; the last replica has new weights after a tenth of the time that a
batch is played in.
"""

import argparse
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks import figures, machine
from benchmarks.growth.growth import median
from benchmarks.growth.scale_simulation import Cost, Costs, System, Training, World
from benchmarks.growth.scripted_stack import Shape
from benchmarks.places import EXAMPLES, IMAGES, RESULTS

FIGURE = IMAGES / "scale.png"
CHECKED, WAYS = ("workers", "plugins"), ("bytes_in", "bytes_out")
LINK_BYTES = 1.25e9
"""A second, of 10 Gbit/s."""
BATCH = 4096
LARGE = System(workers=1000)
UPDATES, WARM = 8, 4
PARTS = 8
WEIGHTS = {"7 billion parameters in bfloat16": 14e9, "an adapter of 100 MB": 1e8}
"""Bytes."""
TINY = EXAMPLES / "tiny" / "checkpoint"
BOUNDS, TRAIN_SHARES = (0, 1, 2, 4), (0.5, 1.0, 2.0)


class Calibration:
    """What episodes cost, from the points of `growth.json`."""

    def __init__(self, growth: Mapping) -> None:
        self._points = growth["points"]
        kinds = self._points[0]["points"][0]["cpu_ms_per_episode"]
        self.costs: Costs = {
            kind: Cost(*line(self._along("turns", "cpu_ms_per_episode", kind), 1e-3)) for kind in kinds
        }
        self._redis = {name: self._along("turns", "redis_per_episode", name) for name in ("commands", *WAYS)}
        self.image_seconds = {
            kind: line(self._along("image_bytes", "cpu_ms_per_episode", kind), 1e-3)[1] for kind in kinds
        }
        """CPU for each byte of an episode's image."""
        self.image_bytes = {
            way: line(self._along("image_bytes", "redis_per_episode", way))[1] for way in WAYS
        }
        """What of each byte passes through Redis: a group shares its images."""
        self.idle_seconds = 1e-6 * growth["idle"]["redis_us"]
        self.looks = growth["claim_us_by_claimed"]

    def _along(self, axis: str, *path: str) -> dict[int, float]:
        points = [one for one in self._points if one["axis"] == axis]
        return {one["shape"][axis]: median(one["points"], *path) for one in points}

    def checked(self) -> Iterator[Mapping]:
        """Points that calibrate nothing."""
        return (one for one in self._points if one["axis"] in CHECKED)

    def seconds(self, kind: str, turns: int, image_bytes: int = 0) -> float:
        return self.costs[kind].of(turns) + self.image_seconds[kind] * image_bytes

    def redis(self, what: str, turns: int, image_bytes: int = 0) -> float:
        """Commands or bytes of an episode, between those that were measured: later turns are longer."""
        found = self._redis[what]
        told = float(np.interp(turns, list(found), list(found.values())))
        return told + self.image_bytes.get(what, 0.0) * image_bytes


def line(ys: Mapping[float, float], scale: float = 1.0) -> tuple[float, float]:
    """Value at 0 and slope, by least squares; neither below 0."""
    fit = statistics.linear_regression(list(ys), list(ys.values()))
    return scale * max(0.0, fit.intercept), scale * max(0.0, fit.slope)


# Check


def check(calibration: Calibration, cores: int) -> list[dict]:
    """Episodes per second and CPU of an episode: predicted, and measured."""
    return [_checked(calibration, one, cores) for one in calibration.checked()]


def _checked(calibration: Calibration, one: Mapping, cores: int) -> dict:
    shape = Shape(**one["shape"])
    system = System(
        workers=shape.workers,
        concurrency=shape.concurrency,
        turns=shape.turns,
        response_seconds=shape.latency_seconds,
        spread=0.0,
        replicas=1,
        rows=1 << 16,
        cores=cores,
    )
    simulated = World(system, calibration.costs).steady(4 * shape.policy_seconds, 2 * shape.policy_seconds)
    kinds = one["points"][0]["cpu_ms_per_episode"]
    return {
        "axis": one["axis"],
        "size": one["shape"][one["axis"]],
        "measured": median(one["points"], "episodes_per_second"),
        "predicted": simulated,
        "cpu_ms_measured": sum(median(one["points"], "cpu_ms_per_episode", kind) for kind in kinds),
        "cpu_ms_predicted": 1000 * sum(cost.of(shape.turns) for cost in calibration.costs.values()),
        "cores_busy_with_other_work": median(one["points"], "cores_busy_with_other_work"),
    }


# Scale


def ceilings(calibration: Calibration, system: System, image_bytes: int = 0) -> dict[str, float]:
    """Episodes per second at which each part is fully busy: workers and policies all together, the others one
    of each."""
    size = system.turns, image_bytes
    return {
        "policy": system.replicas * system.rows / (system.turns * system.response_seconds),
        "workers": system.workers / calibration.seconds("worker", *size),
        "one environment": 1 / calibration.seconds("environment", *size),
        "one verifier": 1 / calibration.seconds("verifier", *size),
        "trainer's end": 1 / calibration.seconds("trainer", *size),
        "Redis, CPU": 1 / calibration.seconds("redis", *size),
        "Redis, link": LINK_BYTES / max(calibration.redis(way, *size) for way in WAYS),
    }


def load(calibration: Calibration, system: System) -> dict[str, float]:
    """Of Redis, when the policies are fully busy; and of workers that find no work."""
    rate, turns = ceilings(calibration, system)["policy"], system.turns
    return {
        "episodes_per_second": rate,
        "redis_core_share": rate * calibration.seconds("redis", turns),
        "redis_commands_per_second": rate * calibration.redis("commands", turns),
        "redis_bytes_in_per_second": rate * calibration.redis("bytes_in", turns),
        "redis_bytes_out_per_second": rate * calibration.redis("bytes_out", turns),
        "redis_core_share_of_idle_workers": system.workers * calibration.idle_seconds,
    }


def weights(system: System) -> dict[str, float]:
    """Seconds in which one link brings a version to every replica."""
    sizes = {**WEIGHTS, "the demo's": (TINY / "model.safetensors").stat().st_size}
    return {name: system.replicas * size / LINK_BYTES for name, size in sizes.items()}


def sensitivity(calibration: Calibration) -> dict[str, dict]:
    """What ends first of the parts that there is one of, at how many replicas, under other assumptions."""
    cases = {
        "as assumed": (LARGE, 0),
        "1 turn": (replace(LARGE, turns=1), 0),
        "20 turns": (replace(LARGE, turns=20), 0),
        "responses of 0.5 s": (replace(LARGE, response_seconds=0.5), 0),
        "responses of 10 s": (replace(LARGE, response_seconds=10.0), 0),
        "images of 60 KB": (LARGE, 60_000),
        "images of 500 KB": (LARGE, 500_000),
    }
    return {
        name: _first(ceilings(calibration, system, image), system) for name, (system, image) in cases.items()
    }


SINGLE = ("trainer's end", "Redis, CPU", "Redis, link")


def _first(found: Mapping[str, float], system: System) -> dict[str, object]:
    name = min(SINGLE, key=found.__getitem__)
    return {
        "ends_first": name,
        "episodes_per_second": found[name],
        "policy_replicas": system.replicas * found[name] / found["policy"],
        "busy": {kind: found["policy"] / found[f"one {kind}"] for kind in ("environment", "verifier")},
    }


def staleness(calibration: Calibration, system: System) -> list[dict]:
    """How many versions older than its update the policy of a turn is, by the bound that is allowed and by
    how long training takes, as a share of the time that the policies play a batch in. There are twice as many
    environments and verifiers as would be fully busy. An eighth of everything is simulated: only ratios
    matter to it."""
    found = ceilings(calibration, system)
    playing, busy = BATCH / found["policy"], _first(found, system)["busy"]
    services = {f"{kind}s": math.ceil(2 * cores / PARTS) for kind, cores in busy.items()}
    parts = {"workers": system.workers // PARTS, "replicas": system.replicas // PARTS}
    world = replace(system, **services, **parts)
    return [
        _aged(calibration, world, Training(BATCH // PARTS, share * playing, bound, 0.1 * playing), share)
        for bound in BOUNDS
        for share in TRAIN_SHARES
    ]


def _aged(calibration: Calibration, system: System, training: Training, share: float) -> dict:
    seen = World(system, calibration.costs).train(training, UPDATES + training.staleness)
    turns = sum(seen.ages[WARM:UPDATES], start=Counter())
    total = turns.total()
    return {
        "bound": training.staleness,
        "train_share": share,
        "seconds_per_update": (seen.updates[UPDATES - 1] - seen.updates[WARM - 1]) / (UPDATES - WARM),
        "share_by_age": {age: turns[age] / total for age in sorted(turns)},
        "mean_age": sum(age * count for age, count in turns.items()) / total,
    }


def report(growth: Mapping) -> dict:
    calibration = Calibration(growth)
    return {
        **machine.about(),
        "kind": "simulation and arithmetic, calibrated by growth.json",
        "system": asdict(LARGE),
        "batch": BATCH,
        "cpu_seconds": {kind: asdict(cost) for kind, cost in calibration.costs.items()},
        "check": check(calibration, growth["cores"]),
        "ceilings": ceilings(calibration, LARGE),
        "load": load(calibration, LARGE),
        "claim_us_by_claimed": calibration.looks,
        "sensitivity": sensitivity(calibration),
        "link_seconds_of_weights": weights(LARGE),
        "staleness": staleness(calibration, LARGE),
    }


def table(found: Mapping) -> str:
    """For people."""
    head = ("check", "predicted", "measured", "CPU ms an episode: predicted", "measured")
    lines = ["{:<24}{:>10}{:>10}   {:>28}{:>10}".format(*head)]
    for one in found["check"]:
        rates, cpu = ((one[f"{kind}predicted"], one[f"{kind}measured"]) for kind in ("", "cpu_ms_"))
        name = f"{one['axis']} {one['size']:,}"
        lines.append(f"{name:<24}{rates[0]:>10.1f}{rates[1]:>10.1f}   {cpu[0]:>28.2f}{cpu[1]:>10.2f}")
    lines.append("episodes/s at which a part is fully busy")
    lines += [f"  {name:<22}{rate:>10,.0f}" for name, rate in found["ceilings"].items()]
    lines.append("Redis when the policies are fully busy")
    lines += [f"  {name:<36}{value:>16,.2f}" for name, value in found["load"].items()]
    lines.append("what ends first, and at how many policy replicas")
    for name, one in found["sensitivity"].items():
        lines.append(f"  {name:<22}{one['ends_first']:<16}{one['policy_replicas']:>8,.0f}")
    lines.append(
        "age of turns: bound, training's share of the playing time, seconds per update, share by age"
    )
    for one in found["staleness"]:
        ages = ", ".join(f"{age}: {share:.0%}" for age, share in one["share_by_age"].items())
        lines.append(f"  {one['bound']}  {one['train_share']:.1f}  {one['seconds_per_update']:>6.1f}  {ages}")
    return "\n".join(lines)


def draw(found: Mapping, path: Path) -> None:
    figure, (ceiling, age) = figures.row(2)
    _draw_ceilings(ceiling, found)
    even = [one for one in found["staleness"] if one["train_share"] == 1.0]
    ages = sorted({age for one in even for age in one["share_by_age"]})
    shares = {str(old): [one["share_by_age"].get(old, 0.0) for one in even] for old in ages}
    figures.stacked(age, [str(one["bound"]) for one in even], shares)
    age.legend(title="versions old", frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1, 0.5))
    figures.titled(age, "Age of a turn's policy (simulation)", "bound (max_staleness)", "share of turns")
    figures.save(figure, path)


def _draw_ceilings(ax, found: Mapping) -> None:
    rates = dict(found["ceilings"])
    policies = rates.pop("policy")
    ax.barh(list(rates), list(rates.values()), color=figures.COLOURS[0], height=0.6)
    ax.axvline(policies, color=figures.COLOURS[1], linestyle="--", label="64 policy replicas")
    ax.set_xscale("log")
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=8.5, loc="center right")
    figures.titled(ax, "Where each part ends (model)", "episodes per second", "")
    ax.grid(axis="y", visible=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--figure", action="store_true", help=f"draw {FIGURE.name} anew")
    parser.add_argument("--output", type=Path, default=RESULTS / "scale_model.json")
    arguments = parser.parse_args()
    found = report(json.loads(arguments.measured.read_text()))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    if arguments.figure:
        draw(found, FIGURE)


if __name__ == "__main__":
    main()
