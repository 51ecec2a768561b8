"""Real services with a policy of fixed latency, and the trainer's end of the queue, for `growth.py`.

Redis, the environment, the verifier and the rollout workers are processes as `farfield up` starts them. The
policy is the policy service with its scripted engine: every response is wrong and takes the same seconds, so
an episode has as many turns as it may have. No process imports torch.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis

from benchmarks.growth import copies
from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.trajectory.v1.trajectory_pb2 import PURPOSE_TRAIN, EpisodeSpec, Trajectory
from farfield.types.v1.types_pb2 import Sampling
from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.program import Program
from farfield_cli.stack.record import LaneRecord
from farfield_cli.stack.stack import Maker, Plan
from farfield_cli.stack.supervisor import Supervisor, supervised
from farfield_kernel import weights
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect

RUN, LANE = "growth", "default"
GROUP = 4
"""Episodes of one hand, and so of one image."""
WRONG = "2 3 4 6 : ( 2 + 3 ) * 4 + 6 = 26"
_ROWS = 1 << 16
"""So many that the policy's latency is the same whatever the load."""
_COUNTED = {
    "commands": "total_commands_processed",
    "bytes_in": "total_net_input_bytes",
    "bytes_out": "total_net_output_bytes",
}
_AT_ONCE = 256
_LOOK_SECONDS = 0.1
_RAMP_STEPS = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What is played, and by how many."""

    workers: int = 4
    turns: int = 5
    image_bytes: int = 0
    plugins: int = 1
    concurrency: int = 32
    latency_seconds: float = 0.5

    @property
    def in_flight(self) -> int:
        return self.workers * self.concurrency

    @property
    def policy_seconds(self) -> float:
        """What the policy alone takes for an episode."""
        return self.turns * self.latency_seconds


def programs(folder: Path, shape: Shape) -> tuple[list[list[Program]], str]:
    """In waves, and the url of Redis."""
    options = StackOptions(
        folder / "state", folder / "runs", concurrency=shape.concurrency, log_level="warning"
    )
    maker, plan = Maker(options), Plan()
    redis, plan.redis = maker.redis()
    environment, verifier = (_copied(maker, kind, shape) for kind in ("environment", "verifier"))
    policy = maker.service("policy", "policy", [("queue_url", plan.redis), *_script(shape)])
    plan.environment, plan.verifier = environment.address, verifier.address
    plan.lanes = {LANE: LaneRecord(trainer="", policy=policy.address)}
    workers = [maker.worker(LANE, number, plan) for number in range(shape.workers)]
    return [[redis], [environment, verifier, policy], workers], plan.redis


def _copied(maker: Maker, kind: str, shape: Shape) -> Program:
    program = maker.service(kind)
    words = program.command[3:]  # behind `python -m farfield_KIND`
    sizes = map(str, (shape.plugins, shape.image_bytes))
    return replace(program, command=(sys.executable, "-m", copies.__name__, kind, *sizes, *words))


def _script(shape: Shape) -> list[tuple[str, object]]:
    engine = {"kind": "scripted", "responses": json.dumps([WRONG]), "rows": _ROWS}
    engine["latency_seconds"] = shape.latency_seconds
    return [(f"engine.{name}", value) for name, value in engine.items()]


def specs(shape: Shape) -> Iterator[EpisodeSpec]:
    """Episodes without end; the plugins take turns."""
    sampling = Sampling(temperature=1, max_new_tokens=64)
    for number in count():
        name = copies.name_of(number // GROUP % shape.plugins)
        environment = EnvironmentRef(name=name)
        environment.options.update({"prompt": "compact", "max_turns": shape.turns})
        yield EpisodeSpec(
            episode_id=f"{RUN}/train/{number:08d}",
            run_id=RUN,
            purpose=PURPOSE_TRAIN,
            environment=environment,
            reward=RewardPlan(leaf=Leaf(verifier=name)),
            environment_seed=number // GROUP,
            sampling_seed=number,
            sampling=sampling,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """At one moment: seconds on the clock, CPU seconds by kind of process and of the whole machine, and what
    Redis counted. Redis knows its own CPU time more finely than the kernel's ticks."""

    at: float
    cpu: dict[str, float]
    machine: float
    redis: dict[str, float]


@dataclass(slots=True)
class Window:
    """Episodes that were collected between two readings."""

    first: Reading
    last: Reading
    played: list[Trajectory] = field(default_factory=list)


class Trainer:
    """The trainer's end of the queue: as many episodes are planned as are collected, none is trained on."""

    def __init__(self, shape: Shape, queue: Queue, redis: Redis, supervisor: Supervisor) -> None:
        self._shape, self._queue, self._redis, self._supervisor = shape, queue, redis, supervisor
        self._specs = specs(shape)

    async def begin(self, folder: Path) -> None:
        """Announces weights, and brings the workers to their full load little by little, so that episodes do
        not all end at once."""
        await self._queue.announce(LANE, _sealed(folder))
        await self._queue.activate(LANE, RUN)
        for _ in range(_RAMP_STEPS):
            await self._plan(-(-self._shape.in_flight // _RAMP_STEPS))
            await self._collect(self._shape.policy_seconds / _RAMP_STEPS)
        await self._plan(self._shape.in_flight)  # a worker that frees a place finds the next one waiting
        await self._collect(1 + self._shape.policy_seconds / 2)

    async def window(self, seconds: float) -> Window:
        first = await self.reading()
        played = await self._collect(seconds)
        return Window(first, await self.reading(), played)

    async def rest(self, seconds: float) -> Window:
        """Nothing is planned any more; after the last episode has ended."""
        while await self._queue.collect(RUN, _AT_ONCE, 2 + self._shape.policy_seconds):
            pass
        first = await self.reading()
        await asyncio.sleep(seconds)
        return Window(first, await self.reading())

    async def _plan(self, episodes: int) -> None:
        await self._queue.plan(RUN, list(islice(self._specs, episodes)))

    async def _collect(self, seconds: float) -> list[Trajectory]:
        ends, found, owed = time.perf_counter() + seconds, [], 0
        while (left := ends - time.perf_counter()) > 0:
            collected = await self._queue.collect(RUN, _AT_ONCE, min(left, _LOOK_SECONDS))
            await self._queue.acknowledge(RUN, [item.entry_id for item in collected])
            found += [item.trajectory for item in collected]
            owed += len(collected)
            if owed >= self._shape.in_flight // 8:
                await self._plan(owed)
                owed = 0
        await self._plan(owed)
        return found

    async def reading(self) -> Reading:
        cpu: dict[str, float] = defaultdict(float, trainer=time.process_time())
        for child in self._supervisor.children:
            cpu[child.program.name.partition(".")[0]] += cpu_seconds(child.pid)
        info: dict[str, Any] = await self._redis.info("everything")
        cpu["redis"] = info["used_cpu_user"] + info["used_cpu_sys"]
        counted = {name: info[field] for name, field in _COUNTED.items()}
        return Reading(time.perf_counter(), cpu, sum(psutil.cpu_times()[:3]), counted)


def _sealed(folder: Path) -> weights.Weights:
    folder.mkdir()
    (folder / "model").write_bytes(b"scripted")
    return weights.seal(folder, RUN, 0)


def cpu_seconds(pid: int | None) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@asynccontextmanager
async def playing(folder: Path, shape: Shape) -> AsyncIterator[Trainer]:
    """A stack that plays at its full load, for the length of a block."""
    waves, url = programs(folder, shape)
    async with supervised(waves) as supervisor, Redis.from_url(url) as redis:
        queue = connect(url)
        try:
            trainer = Trainer(shape, queue, redis, supervisor)
            await trainer.begin(folder / "weights")
            yield trainer
        finally:
            await queue.close()
