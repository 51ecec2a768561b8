"""Where the wall time of the demo's RL goes: by phase through the services, and with batches played ahead.

Sides take turns (A B C A B C), each from the base checkpoint in fresh processes: the loop in one process
(`one_process.py`, the floor), and the services with weights that may be none, one or two versions older than
the update (`max_staleness`). All train as often on as many episodes. The first updates only warm up; where
batches are played ahead, as many updates more are run and left out at the end, so that each counted one pays
for a batch. No checkpoint falls into the counted ones.

An update's wall time is cut by the trainer's own report. While it waits for episodes, time goes to what the
episodes at hand are doing, in equal parts (trajectories say how long each call took); with none at hand it is
the queue's: announcing, planning, claiming, collecting. `idle` is the rest: the trainer between its phases.

    python -m benchmarks.loop.phases [--updates 6] [--groups 32] [--repeats 1] [--staleness 0 1 2] [--figure]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from redis.asyncio import Redis

from benchmarks import figures, machine
from benchmarks.loop.loop import RUN, WARM, cpu_seconds, in_one_process, on_a_stack, recipe, stack_options
from benchmarks.places import IMAGES, RESULTS
from farfield.trainer.v1.trainer_pb2 import Report
from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_cli.runs.trainer import Trainer, state_of
from farfield_cli.stack.stack import Stack, StackOptions

FLOOR = "one process"
FIGURE = IMAGES / "phases.png"
PHASES = ("generate", "environment", "verifier", "queue", "train", "publish", "idle")
FIGURES = ("staleness_mean", "mismatch_k1", "mismatch_k3", "mismatch_ratio_max", "correction_mean")
"""Of an update's report: how old its tokens are, and how far the policy that drew them is from the one that
learns."""
TAP_SECONDS = 0.3

Interval = tuple[float, float, str]
"""From, until (Unix seconds), and what an episode was doing."""


@dataclass(frozen=True, slots=True)
class Update:
    ended: float
    metrics: Mapping[str, float]
    cpu: Mapping[str, float]
    machine: float

    def seconds(self, phase: str) -> float:
        return self.metrics.get(f"seconds_{phase}", 0.0)


@dataclass
class Taken:
    """One repetition through the services."""

    updates: list[Update] = field(default_factory=list)
    busy: list[Interval] = field(default_factory=list)

    def figures(self, ahead: int) -> dict[str, object]:
        """Per update, of those that count."""
        updates = self.updates[: len(self.updates) - ahead]
        first, last, counted = updates[WARM - 1], updates[-1], updates[WARM:]
        seconds, count = last.ended - first.ended, len(counted)
        cpu = {name: value - first.cpu[name] for name, value in last.cpu.items()}
        return {
            "seconds_per_update": seconds / count,
            "phases": self._phases(counted, seconds / count),
            "at_work": self._at_work(first.ended, last.ended, counted),
            "gap": {name: sum(one.metrics[name] for one in counted) / count for name in FIGURES},
            "cpu_seconds_per_update": {name: value / count for name, value in cpu.items()},
            "cores_busy_with_other_work": (last.machine - first.machine - sum(cpu.values())) / seconds,
            "episodes": sum(one.metrics["episodes"] for one in counted),
            "turns": sum(one.metrics["turns"] for one in counted),
        }

    def _phases(self, updates: Sequence[Update], seconds: float) -> dict[str, float]:
        spent: Counter[str] = Counter()
        for one in updates:
            for phase in ("train", "publish"):
                spent[phase] += one.seconds(phase)
            ends = one.ended - one.seconds("train")
            spent.update(split(self.busy, ends - one.seconds("wait_for_episodes"), ends))
        phases = {name: spent[name] / len(updates) for name in PHASES}
        phases["idle"] = max(0.0, seconds - sum(phases.values()))
        return phases

    def _at_work(self, begin: float, end: float, updates: Iterable[Update]) -> dict[str, float]:
        """Shares of the time in which the policy has something to answer, and the trainer trains."""
        generating = ((start, stop) for start, stop, what in self.busy if what == "generate")
        training = [(one.ended - one.seconds("train"), one.ended) for one in updates]
        policy = merged(generating, begin, end)
        both = sum(length(merged(policy, *one)) for one in training)
        return {
            "policy": length(policy) / (end - begin),
            "trainer": length(training) / (end - begin),
            "both": both / (end - begin),
        }


def split(busy: Iterable[Interval], begin: float, end: float) -> dict[str, float]:
    """Seconds by what is going on, each moment shared by the episodes at hand."""
    changes: list[tuple[float, int, str]] = []
    for start, stop, what in busy:
        if start < end and stop > begin:
            changes += [(max(start, begin), 1, what), (min(stop, end), -1, what)]
    spent: Counter[str] = Counter()
    present: Counter[str] = Counter()
    before = begin
    for at, change, what in [*sorted(changes), (end, 0, "queue")]:
        episodes = sum(present.values())
        for doing, number in present.items() if episodes else [("queue", 1)]:
            spent[doing] += (at - before) * number / max(episodes, 1)
        present[what] += change
        before = at
    return dict(spent)


def merged(spans: Iterable[tuple[float, float]], begin: float, end: float) -> list[tuple[float, float]]:
    """Their union, within limits."""
    union: list[tuple[float, float]] = []
    for start, stop in sorted((max(start, begin), min(stop, end)) for start, stop in spans):
        if union and start <= union[-1][1]:
            union[-1] = union[-1][0], max(stop, union[-1][1])
        elif start < stop:
            union.append((start, stop))
    return union


def length(spans: Iterable[tuple[float, float]]) -> float:
    return sum(stop - start for start, stop in spans)


def doings(trajectory: Trajectory, committed: float) -> Iterator[Interval]:
    """What an episode did when. Its start is what its turns leave of its time, and counts as environment."""
    at, ended = trajectory.provenance.started_at, trajectory.provenance.finished_at
    turns = [(one.generate_seconds, one.environment_seconds, one.verify_seconds) for one in trajectory.turns]
    starting = max(0.0, ended - at - sum(map(sum, turns)))
    for seconds, what in [
        (starting, "environment"),
        *(part for turn in turns for part in zip(turn, PHASES[:3], strict=True)),
        (committed - ended, "queue"),
    ]:
        yield at, at + seconds, what
        at += seconds


async def _watched(stack: Stack, config: Mapping) -> Taken:
    taken = Taken()
    (lane,) = stack.plan.lanes.values()
    async with Trainer.at(lane.trainer) as trainer, Redis.from_url(stack.plan.redis) as redis:
        tap = asyncio.create_task(_tapped(redis, taken.busy))
        await trainer.start(RUN, config)
        async for answer in trainer.watch(RUN):
            if answer.HasField("report") and answer.report.kind == "update":
                taken.updates.append(_update(answer.report, stack))
        end = await trainer.get(RUN)
        tap.cancel()
    assert state_of(end) == "succeeded", end.error
    return taken


async def _tapped(redis: Redis, busy: list[Interval]) -> None:
    """Reads along what is committed: it stays in the queue until the next checkpoint."""
    stream, last = f"farfield:{{{RUN}}}:trajectories", "-"
    while True:
        for entry, fields in await redis.xrange(stream, min=last):
            last = f"({entry.decode()}"
            committed = int(entry.partition(b"-")[0]) / 1000
            busy += doings(Trajectory.FromString(fields[b"trajectory"]), committed)
        await asyncio.sleep(TAP_SECONDS)


def _update(report: Report, stack: Stack) -> Update:
    return Update(report.time, dict(report.metrics), cpu_seconds(stack), sum(psutil.cpu_times()[:3]))


def floor(config: Mapping, options: StackOptions) -> dict[str, object]:
    """Of one process. It plays and judges where it generates, so these are one."""
    found = in_one_process(config, options).figures()
    phases = dict.fromkeys(PHASES, 0.0) | {
        "generate": found["phases"]["episodes"],
        "train": found["phases"]["train"],
        "publish": found["phases"]["weights"],
        "idle": found["phases"]["between"],
    }
    kept = ("seconds_per_update", "cpu_seconds_per_update", "cores_busy_with_other_work", "episodes", "turns")
    return {**{name: found[name] for name in kept}, "phases": phases}


def side_name(staleness: int) -> str:
    return f"staleness {staleness}"


def taken(config: Mapping, staleness: int | None) -> dict[str, object]:
    """`staleness` None: in one process."""
    with tempfile.TemporaryDirectory(prefix="farfield-") as folder:
        options = stack_options(Path(folder), config)
        if staleness is None:
            return floor(config, options)
        updates = config["updates"] + staleness
        ahead = {"updates": updates, "max_staleness": staleness, "checkpoint": {"every": updates + 1}}
        return on_a_stack(options, lambda stack: _watched(stack, {**config, **ahead})).figures(staleness)


def measure(config: Mapping, sides: Sequence[int | None], repeats: int) -> Iterator[dict[str, list[dict]]]:
    """What is there after each round."""
    found: dict[str, list[dict]] = {}
    for repeat in range(repeats):
        for staleness in sides:
            name = FLOOR if staleness is None else side_name(staleness)
            one = taken(config, staleness)
            found.setdefault(name, []).append(one)
            others = max(0.0, one["cores_busy_with_other_work"])
            shown = f"{one['seconds_per_update']:.2f} s per update; {others:.1f} cores busy with other work"
            print(f"{repeat + 1}/{repeats} {name:<12} {shown}", flush=True)
        yield found


def medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def summary(found: Mapping[str, list[dict]]) -> dict[str, dict]:
    """Medians over the repetitions; of seconds and of their ratio to staleness 0 also lowest and highest."""
    sides = {}
    for name, each in found.items():
        seconds = [one["seconds_per_update"] for one in each]
        against = [one["seconds_per_update"] for one in found[side_name(0)]]
        ratios = [mine / theirs for mine, theirs in zip(seconds, against, strict=True)]
        sides[name] = {
            "seconds_per_update": statistics.median(seconds),
            "seconds_per_update_range": [min(seconds), max(seconds)],
            "against_staleness_0": statistics.median(ratios),
            "against_staleness_0_range": [min(ratios), max(ratios)],
            "turns": sum(one["turns"] for one in each),
            **{
                part: medians([one[part] for one in each])
                for part in ("phases", "at_work", "gap")
                if part in each[0]
            },
        }
    return sides


def table(sides: Mapping[str, Mapping]) -> str:
    """For people."""
    lines = [f"{'':<24}" + "".join(f"{name:>16}" for name in sides)]

    def line(name: str, values: Iterable[float | None], form: str) -> None:
        shown = ["" if value is None else format(value, form) for value in values]
        lines.append(f"{name:<24}" + "".join(f"{value:>16}" for value in shown))

    line("seconds per update", (one["seconds_per_update"] for one in sides.values()), ".2f")
    line("against staleness 0", (one["against_staleness_0"] for one in sides.values()), ".2f")
    for phase in PHASES:
        line(
            f"  {phase}",
            (one["phases"][phase] / sum(one["phases"].values()) for one in sides.values()),
            ".1%",
        )
    for who in ("policy", "trainer", "both"):
        line(f"{who} at work", (one.get("at_work", {}).get(who) for one in sides.values()), ".0%")
    for name in FIGURES:
        line(name, (one.get("gap", {}).get(name) for one in sides.values()), ".5f")
    return "\n".join(lines)


def draw(sides: Mapping[str, Mapping], path: Path) -> None:
    figure, (ax,) = figures.row(1, 4.2)
    figure.set_figwidth(7)
    figures.stacked(
        ax, list(sides), {name: [one["phases"][name] for one in sides.values()] for name in PHASES}
    )
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1], labels[::-1], frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    figures.titled(ax, "Where the time of an update goes", "", "seconds of wall time")
    figures.save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--groups", type=int, default=16)
    parser.add_argument("--group-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--staleness", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--figure", action="store_true", help=f"draw {FIGURE.name} anew")
    parser.add_argument("--output", type=Path, default=RESULTS / "phases.json")
    arguments = parser.parse_args()
    if arguments.updates <= WARM or 0 not in arguments.staleness:
        parser.error(
            f"--updates above {WARM}, which only warm up; --staleness with 0, which all is held against"
        )
    sizes = ("updates", "groups", "group_size", "learning_rate")
    about = {**machine.about(), **{name: getattr(arguments, name) for name in sizes}, "warm_up": WARM}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    for found in measure(recipe(arguments), [None, *arguments.staleness], arguments.repeats):
        sides = summary(found)
        report = {**about, "repeats": len(found[FLOOR]), "sides": sides, "repetitions": found}
        arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(table(sides))
    if arguments.figure:
        draw(sides, FIGURE)


if __name__ == "__main__":
    main()
