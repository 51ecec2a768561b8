"""Episodes per second against workers, turns, bytes of images and plugins; and the CPU that an episode takes.

The services, Redis and the workers are real processes (`scripted_stack.py`); the policy is scripted and takes
half a second a turn whatever its load, so nothing but the services bends the line. Each axis varies one size
and leaves the others. Rounds go through all points, each in fresh processes. The ceiling of a point is all
cores of the machine, divided by the CPU that an episode took there: what other work takes lowers it.

`idle` is what workers ask of Redis when nothing is planned; `claims` is what one look for work costs Redis
while so many episodes are being played.

    python -m benchmarks.growth.growth [--full] [--axes workers turns …] [--seconds 5] [--repeats 1]
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import figures, machine
from benchmarks.growth.scripted_stack import GROUP, RUN, Shape, Window, playing
from benchmarks.places import IMAGES, RESULTS
from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.stack import Maker
from farfield_cli.stack.supervisor import supervised
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect
from farfield_kernel.queue.redis_keys import Keys

FIGURE = IMAGES / "growth.png"
SHORT = {"workers": (1, 16), "turns": (1, 5, 20), "image_bytes": (0, 500_000)}
FULL = {
    "workers": (1, 2, 4, 8, 16),
    "turns": (1, 5, 20),
    "image_bytes": (0, 60_000, 500_000),
    "plugins": (1, 4, 16),
}
CLAIMED = (0, 1_000, 8_000, 64_000)
LEASE_SECONDS = 600
LOOKS, AHEAD = 20, 1_000
IDLE = (1, 12)
"""Workers."""
WAITS = ("generate_seconds", "environment_seconds", "verify_seconds")


def point(window: Window) -> dict[str, object]:
    """What a window says of its shape."""
    first, last, played = window.first, window.last, window.played
    seconds, episodes = last.at - first.at, len(played)
    turns = sum(len(one.turns) for one in played)
    assert not any(one.failure for one in played), {one.failure_detail for one in played}
    cpu = {name: value - first.cpu[name] for name, value in last.cpu.items()}
    others = (last.machine - first.machine - sum(cpu.values())) / seconds
    waits = {name: sum(getattr(turn, name) for one in played for turn in one.turns) / turns for name in WAITS}
    return {
        "episodes": episodes,
        "seconds": seconds,
        "episodes_per_second": episodes / seconds,
        "ceiling_by_cpu": len(os.sched_getaffinity(0)) / sum(cpu.values()) * episodes,
        "cpu_ms_per_episode": {name: 1000 * value / episodes for name, value in cpu.items()},
        "redis_per_episode": {name: (last.redis[name] - first.redis[name]) / episodes for name in last.redis},
        "trajectory_bytes": sum(one.ByteSize() for one in played) / episodes,
        "ms_per_turn": {name.removesuffix("_seconds"): 1000 * value for name, value in waits.items()},
        "cores_busy_with_other_work": max(0.0, others),
        "load": os.getloadavg()[0],
    }


def shapes(axes: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, Shape]]:
    for axis, sizes in axes.items():
        for size in sizes:
            yield axis, replace(Shape(), **{axis: size})


async def measured(shape: Shape, seconds: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="farfield-") as folder:
        async with playing(Path(folder), shape) as trainer:
            return point(await trainer.window(seconds))


async def idle(seconds: float) -> dict[str, float]:
    """What one worker more that finds no work costs each second: CPU of Redis and of itself in µs, and
    commands of Redis."""
    few, many = [await _resting(workers, seconds) for workers in IDLE]
    more = IDLE[1] - IDLE[0]
    return {name: (many[name] - few[name]) / more for name in few}


async def _resting(workers: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="farfield-") as folder:
        async with playing(Path(folder), Shape(workers=workers, turns=1)) as trainer:
            window = await trainer.rest(seconds)
    first, last = window.first, window.last
    taken = last.at - first.at
    return {
        "redis_us": 1e6 * (last.cpu["redis"] - first.cpu["redis"]) / taken,
        "worker_us": 1e6 * (last.cpu["worker"] - first.cpu["worker"]) / taken,
        "redis_commands": (last.redis["commands"] - first.redis["commands"]) / taken,
    }


async def claims() -> dict[str, dict[int, float]]:
    """µs of Redis for one look for work, by how many episodes are being played: in the pause between looks
    for leases that ran out, and with such a look, which passes over all of them."""
    with tempfile.TemporaryDirectory(prefix="farfield-") as folder:
        program, url = Maker(StackOptions(Path(folder))).redis()
        async with supervised([[program]]), Redis.from_url(url) as redis:
            queue = connect(url, lease_seconds=LEASE_SECONDS)
            found: dict[str, dict[int, float]] = {"in the pause": {}, "after it": {}}
            try:
                for count in CLAIMED:
                    await _hold(queue, count)
                    found["in the pause"][count] = await _look_us(queue, redis)
                    found["after it"][count] = await _look_us(queue, redis, Keys.of(RUN).looked)
            finally:
                await queue.close()
    return found


async def _hold(queue: Queue, count: int) -> None:
    """Claims until so many are held."""
    held = (await queue.backlog(RUN)).claimed
    new = [EpisodeSpec(episode_id=f"{RUN}/{number}", run_id=RUN) for number in range(held, count)]
    await queue.plan(RUN, new)
    while held < count:
        held += len(await queue.claim(RUN, "w", AHEAD, 1))


async def _look_us(queue: Queue, redis: Redis, *forget: str) -> float:
    """`forget`: keys that are removed before each look."""
    await queue.claim(RUN, "w", GROUP, 0)  # begins a pause
    await redis.config_resetstat()
    for _ in range(LOOKS):
        if forget:
            await redis.delete(*forget)
        await queue.claim(RUN, "w", GROUP, 0)
    return (await redis.info("commandstats"))["cmdstat_evalsha"]["usec"] / LOOKS


def median(points: Sequence[Mapping], *path: str) -> float:
    def value(one: Mapping) -> float:
        for name in path:
            one = one[name]
        return one

    return statistics.median(map(value, points))


def table(measured_points: Sequence[Mapping]) -> str:
    """For people: medians over the rounds, and the lowest and highest rate."""
    lines = [f"{'':<22}{'episodes/s':>11}{'range':>16}{'latency':>9}{'ceiling':>9}  CPU ms per episode"]
    for one in measured_points:
        points, shape = one["points"], Shape(**one["shape"])
        rates = [found["episodes_per_second"] for found in points]
        cpu = {name: median(points, "cpu_ms_per_episode", name) for name in points[0]["cpu_ms_per_episode"]}
        size = f"{one['axis']} {one['shape'][one['axis']]:,}"
        parts = ", ".join(f"{name} {value:.2f}" for name, value in cpu.items())
        lines.append(
            f"{size:<22}{statistics.median(rates):>11.1f}{f'{min(rates):.0f} to {max(rates):.0f}':>16}"
            f"{shape.in_flight / shape.policy_seconds:>9.1f}{median(points, 'ceiling_by_cpu'):>9.1f}"
            f"  {sum(cpu.values()):.2f}: {parts}"
        )
    return "\n".join(lines)


def draw(report: Mapping, path: Path) -> None:
    axes = dict.fromkeys(one["axis"] for one in report["points"])
    figure, panels = figures.row(len(axes))
    for ax, axis in zip(panels, axes, strict=True):
        points = [one for one in report["points"] if one["axis"] == axis]
        if axis == "workers":
            _draw_rates(ax, points)
        else:
            _draw_cpu(ax, axis, points)
    figures.save(figure, path)


def _draw_rates(ax, points: Sequence[Mapping]) -> None:
    sizes = [one["shape"]["workers"] for one in points]
    of_shape = [Shape(**one["shape"]) for one in points]

    def spread(name: str) -> list[list[float]]:
        return [[found[name] for found in one["points"]] for one in points]

    figures.line(ax, sizes, spread("episodes_per_second"), 0, "measured")
    latency = [[shape.in_flight / shape.policy_seconds] for shape in of_shape]
    figures.line(ax, sizes, latency, 1, "the policy's latency alone", ":")
    figures.line(ax, sizes, spread("ceiling_by_cpu"), 3, "all CPU of two cores", "--")
    ax.set_ylim(0, 1.15 * max(max(values) for values in spread("ceiling_by_cpu")))
    ax.legend(frameon=False, fontsize=8.5)
    figures.titled(ax, "Growth with workers", "rollout workers of 32 episodes each", "episodes per second")


def _draw_cpu(ax, axis: str, points: Sequence[Mapping]) -> None:
    names = [f"{one['shape'][axis]:,}" for one in points]
    turns = [one["shape"]["turns"] if axis == "turns" else 1 for one in points]
    parts = {
        part: [
            median(one["points"], "cpu_ms_per_episode", part) / count
            for one, count in zip(points, turns, strict=True)
        ]
        for part in points[0]["points"][0]["cpu_ms_per_episode"]
    }
    figures.stacked(ax, names, parts)
    figures.keyed(ax)
    per = "turn" if axis == "turns" else "episode of 5 turns"
    titles = {
        "turns": "turns of an episode",
        "image_bytes": "bytes of its image",
        "plugins": "plugins hosted",
    }
    figures.titled(ax, f"CPU of a{'n' * (per[0] == 'e')} {per}", titles[axis], "ms")


async def rounds(axes: Mapping[str, Sequence[int]], seconds: float, repeats: int) -> list[dict]:
    found = [{"axis": axis, "shape": asdict(shape), "points": []} for axis, shape in shapes(axes)]
    for repeat in range(repeats):
        for one in found:
            one["points"].append(await measured(Shape(**one["shape"]), seconds))
            rate, load = (one["points"][-1][name] for name in ("episodes_per_second", "load"))
            size = one["shape"][one["axis"]]
            print(
                f"{repeat + 1}/{repeats} {one['axis']} {size:,}: {rate:.1f} episodes/s, load {load:.1f}",
                flush=True,
            )
    return found


async def report(axes: Mapping[str, Sequence[int]], seconds: float, repeats: int) -> dict:
    about = machine.about()
    found = await rounds(axes, seconds, repeats)
    return {
        **about,
        "seconds": seconds,
        "repeats": repeats,
        "points": found,
        "idle": await idle(seconds),
        "claim_us_by_claimed": await claims(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="every point of every axis")
    parser.add_argument("--axes", nargs="+", choices=FULL)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS / "growth.json")
    arguments = parser.parse_args()
    axes = FULL if arguments.full or arguments.axes else SHORT
    chosen = {name: axes[name] for name in arguments.axes or axes}
    found = asyncio.run(report(chosen, arguments.seconds, arguments.repeats))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found["points"]))
    print(
        "one idle worker, each second: "
        + ", ".join(f"{name} {value:.0f}" for name, value in found["idle"].items())
    )
    for when, costs in found["claim_us_by_claimed"].items():
        looks = ", ".join(f"{int(count):,} claimed: {cost:.0f} µs" for count, cost in costs.items())
        print(f"one look for work, {when}: {looks}")
    if arguments.full:
        draw(found, FIGURE)


if __name__ == "__main__":
    main()
