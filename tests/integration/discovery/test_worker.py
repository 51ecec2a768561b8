"""A worker that finds its services in a cluster, where they join and leave while a run goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1.types_pb2 import Sampling
from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan, WeightedSum
from farfield_kernel import weights
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect

RUN, LANE = "run", "rl"
CARDS, STREETS = ("--plugins", "[generalpoints]"), ("--plugins", "[virl]")


def specs(lot: str, count: int, environment: str, reward: RewardPlan | None = None) -> list[pb.EpisodeSpec]:
    return [
        pb.EpisodeSpec(
            episode_id=f"{RUN}/{lot}/{number:04d}",
            run_id=RUN,
            purpose=pb.PURPOSE_TRAIN,
            environment=EnvironmentRef(name=environment),
            reward=reward or RewardPlan(leaf=Leaf(verifier=environment)),
            environment_seed=number,
            sampling_seed=number,
            sampling=Sampling(temperature=1, max_new_tokens=64),
            max_turns=4,
        )
        for number in range(count)
    ]


async def collected(queue: Queue, count: int) -> list[pb.Trajectory]:
    found: list[pb.Trajectory] = []
    async with asyncio.timeout(100):
        while len(found) < count:
            found += [one.trajectory for one in await queue.collect(RUN, count - len(found), 5)]
    return found


@pytest.fixture
async def queue(town, make_redis) -> AsyncIterator[Queue]:
    """The queue of a run that is active, and a worker at it."""
    redis = make_redis()
    queue = connect(redis.url, lease_seconds=5, patience_seconds=30)
    folder = town.folder / "weights"
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    await queue.announce(LANE, weights.seal(folder, RUN, 0))
    await queue.activate(LANE, RUN)
    script = json.dumps(["no idea"])
    engine = ("--engine.kind", "scripted", "--engine.responses", script, "--engine.latency_seconds", "0.05")
    await town.join("speaker", "policy", *engine, "--lane", LANE, "--queue_url", redis.url, lane=LANE)
    discovery = json.dumps({"kind": "kubernetes", "context": "simulator"})
    words = ("--lane", LANE, "--queue_url", redis.url, "--discovery", discovery, "--concurrency", "8")
    town.start("worker", "rollout", "127.0.0.1", 0, *words)
    yield queue
    await queue.close()


def clean(trajectories: list[pb.Trajectory]) -> list[pb.Trajectory]:
    assert not [one.failure_detail for one in trajectories if one.failure]
    return trajectories


@pytest.mark.timeout(240)
async def test_services_join_and_leave_while_a_run_goes_on(town, queue: Queue) -> None:
    await town.join("cards", "environment", *CARDS)
    await town.join("judge", "verifier", *CARDS)
    await queue.plan(RUN, specs("a", 20, "generalpoints"))
    clean(await collected(queue, 20))

    # An environment with its verifier joins by its label.
    await town.join("streets", "environment", *STREETS, release="")
    await town.join("guide", "verifier", *STREETS, release="")
    await queue.plan(RUN, specs("b", 8, "virl"))
    clean(await collected(queue, 8))

    # Another takes over from one that leaves.
    await queue.plan(RUN, specs("c", 40, "generalpoints"))
    clean(await collected(queue, 4))
    await town.join("more-cards", "environment", *CARDS)
    await town.leave("cards")
    town.kill("cards")
    late = clean(await collected(queue, 36))
    assert {one.spec.episode_id for one in late} >= {f"{RUN}/c/{number:04d}" for number in range(20, 40)}

    # What nobody hosts, and a reward whose parts are at two services.
    parts = [RewardPlan(leaf=Leaf(verifier=one)) for one in ("generalpoints", "virl")]
    terms = [WeightedSum.Term(weight=1, plan=part) for part in parts]
    mixed = RewardPlan(weighted_sum=WeightedSum(terms=terms))
    await queue.plan(RUN, [*specs("d", 1, "mazes"), *specs("e", 1, "virl", mixed)])
    details = {one.spec.episode_id[4]: one.failure_detail for one in await collected(queue, 2)}
    assert "no environment 'mazes'" in details["d"]
    assert "streets has virl" in details["d"]
    assert "'generalpoints' at judge; 'virl' at guide" in details["e"]
    records: list[Any] = [json.loads(line) for line in (town.folder / "worker.log").read_text().splitlines()]
    said = [one.get("message", "") for one in records]
    assert "environment streets hosts virl" in said
    assert "environment cards is gone" in said
