"""A replica that is told to stop while a run is played hands over: no episode fails, and it does not sit out
its drain period when nothing of anybody's is left."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator

import pytest

from farfield_kernel.queue.contract import Queue
from tests.integration.test_rollout import (
    LANE,
    RUN,
    SEEDS,
    Process,
    check,
    collect,
    queue,
    right_answer,
    specs,
)

__all__ = ["queue"]

pytestmark = pytest.mark.timeout(300)

PERIOD = 600
"""Seconds of drain that nobody is to wait for."""
EPISODES = 200
TWICE = ("environment", "verifier", "policy")


class Pairs:
    """Two replicas of each service, and a worker."""

    def __init__(self, folder, redis, ports: list[int]) -> None:
        self.folder, self.redis, self._ports = folder, redis, iter(ports)
        script = json.dumps(["no idea", right_answer(SEEDS[0]), right_answer(SEEDS[1])])
        lane = ("--lane", LANE, "--queue_url", redis.url)
        own = {
            "policy": (
                *("--engine.kind", "scripted", "--engine.responses", script),
                *("--engine.latency_seconds", "0.2", *lane),
            )
        }
        self.replicas = {name: [self._service(name, *own.get(name, ())) for _ in range(2)] for name in TWICE}
        addresses = [
            word
            for name, pair in self.replicas.items()
            for word in (f"--{name}.address", ",".join(one.address for one in pair))
        ]
        self.worker = self._service("rollout", *lane, *addresses, "--concurrency", "16")

    def _service(self, name: str, *arguments: str) -> Process:
        drain = ("--server.drain_seconds", str(PERIOD))
        return Process(self.folder, f"farfield_{name}", next(self._ports), *drain, *arguments)

    @property
    def all(self) -> list[Process]:
        return [*(one for pair in self.replicas.values() for one in pair), self.worker]


@pytest.fixture
async def stack(tmp_path, make_redis, unused_tcp_port_factory) -> AsyncIterator[Pairs]:
    pairs = Pairs(tmp_path, make_redis(), [unused_tcp_port_factory() for _ in range(7)])
    for process in pairs.all:
        process.start()
    await asyncio.gather(*(process.ready() for process in pairs.all))
    yield pairs
    for process in pairs.all:
        process.stop()


def complaints(process: Process) -> list[str]:
    """Lines of a log that say that something went wrong, and those that come again and again."""
    lines = process.log()
    bad = [line["message"] for line in lines if line["level"] == "error" or line["logger"] == "asyncio"]
    said = [line["message"] for line in lines if line["level"] == "warning"]
    return bad + [message for message in set(said) if said.count(message) > 1]


async def test_replicas_hand_over_and_are_lost_in_the_middle_of_a_run(stack: Pairs, queue: Queue) -> None:
    """Each first replica is told to stop and comes back; then each second one is killed."""
    planned = specs(EPISODES)
    await queue.plan(RUN, planned)
    trajectories = await collect(queue, 20)
    for name in TWICE:
        leaving = stack.replicas[name][0]
        began = time.monotonic()
        assert await asyncio.to_thread(leaving.kill, signal.SIGTERM) == 0
        print(f"{name}: left after {time.monotonic() - began:.2f} s")
        trajectories += await collect(queue, 20)
        assert complaints(leaving) == []
        await leaving.start().ready()
    for name in TWICE:
        stack.replicas[name][1].kill()
        trajectories += await collect(queue, 20)
    check(trajectories + await collect(queue, EPISODES - len(trajectories)), planned)
    assert complaints(stack.worker) == []
