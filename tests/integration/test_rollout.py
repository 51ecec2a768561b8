"""Real services as processes, a real Redis, and workers: whatever is killed, planned is committed, once."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1.types_pb2 import STATE_CONTINUE, Sampling
from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_generalpoints.environment import GeneralPoints
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_kernel import weights
from farfield_kernel.images import named_in
from farfield_kernel.queue.contract import Backlog, Collected, Queue
from farfield_kernel.queue.opening import connect
from farfield_sdk import Image

RUN, LANE = "run", "lane"
OPTIONS = {"prompt": "compact"}
SEEDS = range(4)
"""Few hands, so that an answer from the script is right now and then."""
LEASE = 2.0
# A test run that is killed leaves no service behind.
TETHER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def right_answer(seed: int) -> str:
    environment = GeneralPoints(GeneralPointsOptions(**OPTIONS))
    environment.reset(seed)
    return environment.oracle()


class Process:
    """One service of our own, on a port that stays the same over restarts."""

    def __init__(self, folder: Path, module: str, port: int, *arguments: str) -> None:
        self.name, self.port = f"{module}-{port}", port
        self._log = folder / f"{self.name}.log"
        self._command = [sys.executable, "-m", module, "--server.port", str(port), *arguments]
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Process":
        with self._log.open("ab") as log:
            self._running = subprocess.Popen([*TETHER, *self._command], stderr=log)
        return self

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.name} does not run"
        return self._running.pid

    async def ready(self) -> None:
        async with grpc.aio.insecure_channel(self.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=150)

    def kill(self, number: int = signal.SIGKILL) -> int:
        os.kill(self.pid, number)
        assert self._running is not None
        code = self._running.wait(timeout=60)
        self._running = None
        return code

    def stop(self) -> None:
        if self._running:
            self.kill()

    def log(self) -> list[dict]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


class Stack:
    def __init__(self, folder: Path, redis, ports: list[int], latency_seconds: float = 0.02) -> None:
        self.folder, self.redis = folder, redis
        self._ports = iter(ports)
        script = json.dumps(["no idea", right_answer(SEEDS[0]), right_answer(SEEDS[1])])
        self.environment = self._service("farfield_environment")
        self.verifier = self._service("farfield_verifier")
        self.policy = self._service(
            "farfield_policy",
            *("--engine.kind", "scripted", "--engine.responses", script),
            *("--engine.latency_seconds", str(latency_seconds)),
            *("--lane", LANE, "--queue_url", redis.url),
        )
        self.workers: list[Process] = []

    @property
    def all(self) -> list[Process]:
        return [self.environment, self.verifier, self.policy, *self.workers]

    def _service(self, module: str, *arguments: str) -> Process:
        return Process(self.folder, module, next(self._ports), *arguments)

    def worker(self, *arguments: str) -> Process:
        worker = self._service(
            "farfield_rollout",
            *("--lane", LANE, "--queue_url", self.redis.url, "--lease_seconds", str(LEASE)),
            *("--environment.address", self.environment.address),
            *("--verifier.address", self.verifier.address),
            *("--policy.address", self.policy.address),
            *("--concurrency", "8", *arguments),
        )
        self.workers.append(worker)
        return worker.start()


@pytest.fixture
async def stack(tmp_path, make_redis, unused_tcp_port_factory) -> AsyncIterator[Stack]:
    redis = make_redis("--appendonly", "yes", "--appendfsync", "always")
    stack = Stack(tmp_path, redis, [unused_tcp_port_factory() for _ in range(8)])
    for process in stack.all:
        process.start()
    yield stack
    for process in stack.all:
        process.stop()


@pytest.fixture
async def queue(stack: Stack) -> AsyncIterator[Queue]:
    queue = connect(stack.redis.url, lease_seconds=LEASE, patience_seconds=30)
    folder = stack.folder / "weights"
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    await queue.announce(LANE, weights.seal(folder, RUN, 0))
    await queue.activate(LANE, RUN)
    yield queue
    await queue.close()


def specs(count: int, variant: str = "id") -> list[pb.EpisodeSpec]:
    environment = EnvironmentRef(name="generalpoints", variant=variant)
    environment.options.update(OPTIONS)
    return [
        pb.EpisodeSpec(
            episode_id=f"{RUN}/{number:04d}",
            run_id=RUN,
            purpose=pb.PURPOSE_TRAIN,
            environment=environment,
            reward=RewardPlan(leaf=Leaf(verifier="generalpoints")),
            environment_seed=SEEDS[number % len(SEEDS)],
            sampling_seed=number,
            sampling=Sampling(temperature=1, max_new_tokens=64),
        )
        for number in range(count)
    ]


async def collect(queue: Queue, count: int) -> list[pb.Trajectory]:
    return [one.trajectory for one in await collect_items(queue, count)]


async def collect_items(queue: Queue, count: int) -> list[Collected]:
    found: list[Collected] = []
    async with asyncio.timeout(100):
        while len(found) < count:
            found += await queue.collect(RUN, count - len(found), 5)
    return found


def check(trajectories: list[pb.Trajectory], planned: list[pb.EpisodeSpec]) -> None:
    """Everything that was planned, once, whole, and graded."""
    assert sorted(one.spec.episode_id for one in trajectories) == [one.episode_id for one in planned]
    for trajectory in trajectories:
        assert not trajectory.failure, trajectory.failure_detail
        assert trajectory.end == trajectory.turns[-1].state != STATE_CONTINUE
        assert all(turn.HasField("verdict") for turn in trajectory.turns)
        prefix = b""
        for turn in trajectory.turns:
            assert turn.continues == bool(prefix)
            assert turn.prompt_ids.startswith(prefix)
            assert len(turn.logprobs) == len(turn.response_ids)
            prefix = turn.prompt_ids + turn.response_ids


async def test_planned_is_committed(stack: Stack, queue: Queue) -> None:
    planned = specs(60)
    assert await queue.plan(RUN, planned) == 60
    workers = [stack.worker("--server.metrics_port", "0"), stack.worker()]
    trajectories = await collect(queue, 60)
    check(trajectories, planned)
    assert await queue.backlog(RUN) == Backlog(0, 0, 0, 60)
    assert len({one.provenance.worker for one in trajectories}) == 2
    assert {one.provenance.engine for one in trajectories} == {"scripted"}
    assert {one.provenance.restores for one in trajectories} == {0}
    solved = [one for one in trajectories if one.success]
    assert 0 < len(solved) < 60
    assert all(one.turns[-1].verdict.correct and one.turns[-1].verdict.reward > 0 for one in solved)
    (port,) = [line["metrics_port"] for line in workers[0].log() if "metrics_port" in line]
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()  # noqa: ASYNC210
    committed = sum(
        float(line.split()[-1])
        for line in page.splitlines()
        if line.startswith("farfield_rollout_episodes_total")
    )
    assert 0 < committed < 60


async def test_every_service_may_be_killed_in_the_middle(stack: Stack, queue: Queue) -> None:
    planned = specs(80)
    await queue.plan(RUN, planned)
    workers = [stack.worker(), stack.worker()]
    trajectories = await collect(queue, 5)
    for victim in (stack.environment, stack.policy, stack.verifier):
        victim.kill()
        victim.start()
        trajectories += await collect(queue, 10)
    workers[0].kill()
    stack.redis.kill()
    stack.redis.start()
    trajectories += await collect(queue, 45)
    check(trajectories, planned)
    assert sum(one.provenance.restores for one in trajectories) > 0
    assert await queue.backlog(RUN) == Backlog(0, 0, 0, 80)
    assert max(one.provenance.attempt for one in trajectories) > 1


async def test_pictures_come_with_the_episodes_that_show_them(stack: Stack, queue: Queue) -> None:
    """Whatever is killed: each picture is held once, is what was painted, and goes with its last episode."""
    planned = specs(80, "vl-id")
    await queue.plan(RUN, planned)
    workers = [stack.worker(), stack.worker()]
    items = await collect_items(queue, 5)
    workers[0].kill()
    stack.environment.kill()
    stack.environment.start()
    stack.redis.kill()
    stack.redis.start()
    items += await collect_items(queue, 75)
    check([item.trajectory for item in items], planned)
    for item in items:
        (digest,) = named_in(item.trajectory)
        assert dict(item.blobs) == {digest: painted(item.trajectory.spec.environment_seed)}
    assert len({id(data) for item in items for data in item.blobs.values()}) == len(SEEDS)
    async with Redis.from_url(stack.redis.url) as client:
        assert await client.hlen(f"farfield:{{{RUN}}}:blobs") == len(SEEDS)
        await queue.acknowledge(RUN, [item.entry_id for item in items])
        assert not await client.exists(f"farfield:{{{RUN}}}:blobs", f"farfield:{{{RUN}}}:references")


def painted(seed: int) -> bytes:
    """The picture that the environment's own code paints of a hand."""
    options = {**GeneralPoints.variants["vl-id"].options, **OPTIONS}
    start = GeneralPoints(GeneralPointsOptions.model_validate(options)).reset(seed)
    (picture,) = [p for p in start.observation.messages[0].parts if isinstance(p, Image)]
    return picture.data


async def test_a_worker_that_is_told_to_stop_leaves_nothing_to_wait_for(stack: Stack, queue: Queue) -> None:
    planned = specs(40)
    await queue.plan(RUN, planned)
    lasting = ("--lease_seconds", "600", "--server.drain_seconds", "0")
    worker = stack.worker(*lasting)
    trajectories = await collect(queue, 5)
    assert await asyncio.to_thread(worker.kill, signal.SIGTERM) == 0
    assert (await queue.backlog(RUN)).claimed > 0
    stack.worker(*lasting)
    check(trajectories + await collect(queue, 35), planned)


async def test_an_unplayable_plan_fails_and_hurts_nobody(stack: Stack, queue: Queue) -> None:
    planned = specs(6)
    planned[1].environment.name = "generalpoint"
    planned[2].environment.variant = "odd"
    planned[3].environment.options.update({"target": "twenty"})
    planned[4].reward.leaf.verifier = "nobody"
    await queue.plan(RUN, planned)
    stack.worker()
    trajectories = {one.spec.episode_id: one for one in await collect(queue, 6)}
    failures = [trajectories[one.episode_id].failure for one in planned]
    assert failures == [0, *[pb.FAILURE_INVALID_SPEC] * 4, 0]
    details = [trajectories[one.episode_id].failure_detail for one in planned[1:5]]
    for detail, named in zip(details, ("generalpoints", "odd", "target", "nobody"), strict=True):
        assert named in detail


async def test_a_worker_waits_for_services_that_come_later(stack: Stack, queue: Queue) -> None:
    for service in (stack.environment, stack.verifier, stack.policy):
        service.kill()
    stack.redis.kill()
    worker = stack.worker("--queue_patience_seconds", "0.2")
    await worker.ready()
    stack.redis.start()
    planned = specs(5)
    await queue.plan(RUN, planned)
    for service in (stack.policy, stack.verifier, stack.environment):
        service.start()
    check(await collect(queue, 5), planned)
