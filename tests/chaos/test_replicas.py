"""Two replicas of an environment, one of which dies in mid-episode: its sessions go on at the other."""

import asyncio
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1.types_pb2 import Sampling
from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_cli.stack.child import Child
from farfield_cli.stack.ports import free_ports
from farfield_cli.stack.redis_program import redis_program
from farfield_cli.stack.stack import Maker, StackOptions
from farfield_cli.stack.supervisor import Supervisor
from farfield_kernel import weights
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect
from tests.chaos.journal import essence

LANE, ALONE, KILLED = "default", "alone", "killed"
EPISODES, TURNS = 8, 5


@dataclass(frozen=True, slots=True)
class Replicated:
    """`victim`: a replica of two, with the port of its metrics."""

    queue: Queue
    victim: Child
    metrics_port: int

    def steps(self) -> int:
        """That the victim has taken in its present life."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        counts = [line for line in lines if line.startswith("farfield_environment_step_seconds_count")]
        return sum(int(float(line.split()[-1])) for line in counts)


@asynccontextmanager
async def replicated(folder: Path) -> AsyncIterator[Replicated]:
    maker = Maker(StackOptions(folder / "state", folder / "runs"))
    redis, url = redis_program(folder / "state", maker.log("redis"), maker.mark)
    metrics_port = next(free_ports())
    first = maker.service("environment", "environment.0", [("server.metrics_port", metrics_port)])
    second, verifier = maker.service("environment", "environment.1"), maker.service("verifier")
    script = [
        ("engine.kind", "scripted"),
        ("engine.responses", '["no idea"]'),
        ("engine.latency_seconds", 0.5),
    ]
    policy = maker.service("policy", "policy", [*script, ("queue_url", url), ("lane", LANE)])
    flags = [
        ("queue_url", url),
        ("lane", LANE),
        ("environment.address", f"{first.address},{second.address}"),
        ("verifier.address", verifier.address),
        ("policy.address", policy.address),
    ]
    supervisor = Supervisor(
        [[redis], [first, second, verifier, policy], [maker.service("rollout", flags=flags)]]
    )
    queue = connect(url)
    try:
        await supervisor.start()
        victim = next(child for child in supervisor.children if child.program is first)
        yield Replicated(queue, victim, metrics_port)
    finally:
        await queue.close()
        await supervisor.stop()


def specs(run_id: str) -> list[pb.EpisodeSpec]:
    """Every answer of the script is wrong, so each has all its turns."""
    environment = EnvironmentRef(name="generalpoints", variant="id")
    environment.options.update({"prompt": "compact", "max_turns": TURNS})
    return [
        pb.EpisodeSpec(
            episode_id=f"{run_id}/{number}",
            run_id=run_id,
            purpose=pb.PURPOSE_TRAIN,
            environment=environment,
            reward=RewardPlan(leaf=Leaf(verifier="generalpoints")),
            environment_seed=number,
            sampling=Sampling(temperature=1, max_new_tokens=64),
        )
        for number in range(EPISODES)
    ]


def sealed(folder: Path, run_id: str) -> weights.Weights:
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    return weights.seal(folder, run_id, 0)


async def begin(queue: Queue, run_id: str, folder: Path) -> None:
    await queue.announce(LANE, await asyncio.to_thread(sealed, folder, run_id))
    await queue.activate(LANE, run_id)
    await queue.plan(run_id, specs(run_id))


async def ended(queue: Queue, run_id: str) -> list[pb.Trajectory]:
    found: dict[str, pb.Trajectory] = {}
    async with asyncio.timeout(240):
        while len(found) < EPISODES:
            for item in await queue.collect(run_id, EPISODES, 5):
                found[item.trajectory.spec.episode_id] = item.trajectory
    return [found[name] for name in sorted(found)]


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_episodes_of_a_replica_that_is_killed_go_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    async with replicated(tmp_path) as stack:
        await begin(stack.queue, ALONE, tmp_path / ALONE)
        alone = await ended(stack.queue, ALONE)
        before = stack.steps()
        assert before
        await begin(stack.queue, KILLED, tmp_path / KILLED)
        while stack.steps() == before:  # noqa: ASYNC110 - a service is asked
            await asyncio.sleep(0.05)
        assert stack.victim.pid
        os.killpg(stack.victim.pid, signal.SIGKILL)
        killed = await ended(stack.queue, KILLED)
    assert not any(one.failure for one in killed)
    assert [one.provenance.digest for one in killed] == [one.provenance.digest for one in alone]
    assert [essence(one) for one in killed] == [essence(one) for one in alone]
    restored = [one for one in killed if one.provenance.restores]
    assert restored
    assert all(len(one.turns) == TURNS for one in restored)
    assert {one.provenance.attempt for one in killed} == {1}
