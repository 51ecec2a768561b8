"""What the services add to the wall time of training: the whole loop through them, and in one process.

GRPO on GeneralPoints with the checkpoint and the recipe of the demo (examples/demo/rl.yaml), not evaluated.
Services: the local stack as `farfield train` starts it, with one lane. Its own reports say when each update
ended and what it spent its time on; checkpoints are included. One process (`one_process.py`): the same engine
in its thread, the same learner, games and verifier as plain objects, as many rows and open episodes, weights
handed over by a folder that is neither summed nor fsynced; no gRPC, no Redis, no checkpoint. Both play the
same hands with the same seeds, one torch thread per process, and take turns (A B A B), each time from the
base checkpoint in fresh processes. The first updates only warm up.

    python -m benchmarks.loop.loop [--updates 4] [--groups 64] [--group-size 4] [--repeats 3] [--output FILE]

Cost of the services = wall seconds per update through them / in one process - 1. Sampling and so training may
come out a little different on each side (other batches, other roundings), hence the same per turn as well.
Where cores are free the services work beside the policy; `taskset -c 0` before the command takes that away.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from benchmarks.places import EXAMPLES, RESULTS
from farfield.trainer.v1.trainer_pb2 import Report
from farfield_cli.runs import run_file
from farfield_cli.runs.trainer import Trainer, state_of
from farfield_cli.stack.program import ONE_THREAD
from farfield_cli.stack.stack import Stack, StackOptions, running

T = TypeVar("T")
RECIPE = EXAMPLES / "demo" / "rl.yaml"
RUN = "loop"
WARM, BUDGET = 2, 0.15
ROWS = 64
"""Responses that are decoded together, on both sides."""
SIDES = ("one process", "services")
COUNTS = ("episodes", "episodes_failed", "turns", "response_tokens")
PHASES = {
    "weights": "publish",
    "episodes": "wait_for_episodes",
    "train": "train",
    "checkpoint": "checkpoint",
    "between": "",
}
"""And as the trainer calls them. Its policy loads weights while it waits for episodes."""


@dataclass(frozen=True)
class Update:
    """One update: when it ended, what it did, where its time went, and the CPU seconds until then, of each
    process and of the whole machine."""

    ended: float
    counts: dict[str, float]
    phases: dict[str, float]
    cpu: dict[str, float]
    machine: float


@dataclass
class Taken:
    """One repetition of one side."""

    load: float = field(default_factory=lambda: os.getloadavg()[0])
    updates: list[Update] = field(default_factory=list)

    def figures(self) -> dict:
        """Of the updates that count: from the end of the warm-up to the end of the last."""
        first, last, counted = self.updates[WARM - 1], self.updates[-1], self.updates[WARM:]
        updates, seconds = len(counted), last.ended - first.ended
        counts = {name: sum(update.counts[name] for update in counted) for name in COUNTS}
        phases = {name: sum(one.phases.get(name, 0.0) for one in counted) / updates for name in PHASES}
        phases["between"] = seconds / updates - sum(phases.values())
        cpu = {name: value - first.cpu[name] for name, value in last.cpu.items()}
        others = last.machine - first.machine - sum(cpu.values())
        return {
            "seconds_per_update": seconds / updates,
            "seconds_per_1000_turns": seconds / counts["turns"] * 1000,
            "turns_per_second": counts["turns"] / seconds,
            "phases": phases,
            "cpu_seconds_per_update": {name: value / updates for name, value in cpu.items()},
            "load_before": self.load,
            "cores_busy_with_other_work": others / seconds,
            **counts,
        }


def stack_options(folder: Path, config: Mapping) -> StackOptions:
    return StackOptions(folder / "state", folder / "runs", Path(config["base"]), rows=ROWS)


def in_one_process(config: Mapping, options: StackOptions) -> Taken:
    taken, run = Taken(), options.runs.with_suffix(".json")
    run.write_text(json.dumps(config))
    settings = map(str, (run, options.rows, options.concurrency))
    command = [sys.executable, "-m", "benchmarks.loop.one_process", *settings]
    done = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD}, check=True)
    taken.updates += [Update(**one) for one in json.loads(done.stdout)]
    return taken


def through_services(config: Mapping, options: StackOptions) -> Taken:
    return on_a_stack(options, lambda stack: _watched(stack, config))


def on_a_stack(options: StackOptions, watched: Callable[[Stack], Coroutine[Any, Any, T]]) -> T:
    """What `watched` returns, beside a stack that has to stay up meanwhile."""

    async def run() -> T:
        async with running(options) as stack:
            return await stack.beside(watched(stack))

    return asyncio.run(run())


async def _watched(stack: Stack, config: Mapping) -> Taken:
    taken = Taken()
    (lane,) = stack.plan.lanes.values()
    async with Trainer.at(lane.trainer) as trainer:
        await trainer.start(RUN, config)
        async for answer in trainer.watch(RUN):
            if answer.HasField("report") and answer.report.kind == "update":
                taken.updates.append(_update(answer.report, cpu_seconds(stack)))
        end = await trainer.get(RUN)
    assert state_of(end) == "succeeded", end.error
    assert not stack.restarts(), stack.restarts()
    return taken


def _update(report: Report, cpu: dict[str, float]) -> Update:
    metrics = report.metrics
    phases = {ours: metrics.get(f"seconds_{theirs}", 0.0) for ours, theirs in PHASES.items() if theirs}
    counts = {name: metrics[name] for name in COUNTS}
    return Update(report.time, counts, phases, cpu, sum(psutil.cpu_times()[:3]))


def cpu_seconds(stack: Stack) -> dict[str, float]:
    times = {one.program.name: psutil.Process(one.pid).cpu_times() for one in stack.supervisor.children}
    return {name: one.user + one.system for name, one in times.items()} | {"farfield": time.process_time()}


def summary(figures: Mapping[str, list[dict]]) -> dict:
    """Medians and ranges over the repetitions, and what the services cost."""

    def median(side: str, name: str) -> float:
        return statistics.median(one[name] for one in figures[side])

    def cost(name: str) -> float:
        return median("services", name) / median("one process", name) - 1

    pairs = zip(figures["services"], figures["one process"], strict=True)
    costs = [one["seconds_per_update"] / other["seconds_per_update"] - 1 for one, other in pairs]
    done = {name: {side: sum(one[name] for one in figures[side]) for side in SIDES} for name in COUNTS}
    turns = done["turns"]
    return {
        "cost_of_services": cost("seconds_per_update"),
        "cost_of_services_range": [min(costs), max(costs)],
        "cost_of_services_per_turn": cost("seconds_per_1000_turns"),
        "budget": BUDGET,
        "work": done,
        "same_episodes": len({*done["episodes"].values()}) == 1 and not any(done["episodes_failed"].values()),
        "turns_ratio": turns["services"] / turns["one process"],
        **{
            side: {
                "seconds_per_update": median(side, "seconds_per_update"),
                "seconds_per_update_range": _range(one["seconds_per_update"] for one in figures[side]),
                "turns_per_second": median(side, "turns_per_second"),
                "phases": _medians([one["phases"] for one in figures[side]]),
                "cpu_seconds_per_update": _medians([one["cpu_seconds_per_update"] for one in figures[side]]),
            }
            for side in SIDES
        },
    }


def _range(values: Iterable[float]) -> list[float]:
    found = list(values)
    return [min(found), max(found)]


def _medians(given: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in given) for name in given[0]}


def table(report: Mapping) -> str:
    """For people."""
    one, services = (report[side] for side in SIDES)
    lines = [f"{'':<24}{SIDES[0]:>14}{SIDES[1]:>14}"]

    def line(name: str, values: Sequence[float], digits: int = 2) -> None:
        lines.append(f"{name:<24}" + "".join(f"{value:>14,.{digits}f}" for value in values))

    line("seconds per update", [one["seconds_per_update"], services["seconds_per_update"]])
    for name in PHASES:
        line(f"  {name}", [one["phases"][name], services["phases"][name]], 3)
    line("turns per second", [one["turns_per_second"], services["turns_per_second"]], 0)
    for name in COUNTS:
        line(name.replace("_", " "), [report["work"][name][side] for side in SIDES], 0)
    line("CPU seconds per update", [sum(side["cpu_seconds_per_update"].values()) for side in (one, services)])
    for name, value in services["cpu_seconds_per_update"].items():
        lines.append(f"  {name:<22}{'':>14}{value:>14.3f}")
    return "\n".join(lines)


def recipe(arguments: argparse.Namespace) -> dict:
    """The demo's, in the size that is asked for, without evaluation."""
    sizes = {
        "updates": arguments.updates,
        "batch": {"groups": arguments.groups, "group_size": arguments.group_size},
        "algorithm": {"optimizer": {"learning_rate": arguments.learning_rate}},
    }
    without = {"evaluation": {"at_start": False, "at_end": False}}
    return run_file.overlaid(run_file.read(RECIPE), sizes) | without


def measure(config: Mapping, repeats: int) -> dict[str, list[dict]]:
    figures: dict[str, list[dict]] = {side: [] for side in SIDES}
    for repeat in range(repeats):
        for side, take in zip(SIDES, (in_one_process, through_services), strict=True):
            with tempfile.TemporaryDirectory(prefix="farfield-") as folder:
                found = take(config, stack_options(Path(folder), config)).figures()
            figures[side].append(found)
            shown = f"{found['seconds_per_update']:.2f} s per update, {found['turns_per_second']:.0f} turns/s"
            others = f"{max(0.0, found['cores_busy_with_other_work']):.1f} cores busy with other work"
            print(f"{repeat + 1}/{repeats} {side:<12} {shown}; {others}", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--groups", type=int, default=64)
    parser.add_argument("--group-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "loop.json")
    arguments = parser.parse_args()
    if arguments.updates <= WARM:
        parser.error(f"--updates: more than {WARM}, which only warm up")
    figures = measure(recipe(arguments), arguments.repeats)
    report = summary(figures)
    sizes = {
        name: getattr(arguments, name)
        for name in ("updates", "groups", "group_size", "learning_rate", "repeats")
    }
    machine = {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0))}
    text = json.dumps({**machine, **sizes, "warm_up": WARM, **report, "repetitions": figures}, indent=1)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n")
    print(table(report))
    low, high = report["cost_of_services_range"]
    per_turn, ratio = report["cost_of_services_per_turn"], report["turns_ratio"]
    print(
        f"services cost {report['cost_of_services']:+.1%} of wall time ({low:+.1%} to {high:+.1%})", end=", "
    )
    print(f"{per_turn:+.1%} per turn with {ratio:.3f} times the turns")
    print(f"budget {BUDGET:.0%}" + ("" if report["same_episodes"] else "; THE EPISODES ARE NOT THE SAME"))


if __name__ == "__main__":
    main()
