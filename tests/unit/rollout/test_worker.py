"""The worker on the queue in memory: it claims, commits, leaves in order, and gives work back."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1.types_pb2 import Image
from farfield_kernel import metrics
from farfield_kernel.errors import Unavailable
from farfield_kernel.queue.contract import Backlog, Played
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.server import ServerConfig
from farfield_rollout import meters
from farfield_rollout.worker import Worker


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def collected(queue: MemoryQueue, count: int) -> list[pb.Trajectory]:
    found: list[pb.Trajectory] = []
    while len(found) < count:
        found += [one.trajectory for one in await queue.collect("run", count, 30)]
    return found


def content(trajectories: list[pb.Trajectory]) -> dict[str, list]:
    return {
        one.spec.episode_id: [(turn.prompt_ids, turn.response_ids, turn.verdict.reward) for turn in one.turns]
        for one in trajectories
    }


@pytest.fixture
def make_worker(world) -> Callable[..., Worker]:
    def make(queue, **changes) -> Worker:
        return Worker(world.config.model_copy(update=changes), queue, world.services)

    return make


@pytest.fixture
def specs(world) -> list[pb.EpisodeSpec]:
    return [world.spec(number) for number in range(20)]


class EndsRun(MemoryQueue):
    """The run is over with the commit of its last episode, before the worker hears of it."""

    async def commit_many(self, run_id: str, worker: str, played: Sequence[Played]) -> list[bool]:
        added = await super().commit_many(run_id, worker, played)
        await self.deactivate("default", run_id)
        await asyncio.sleep(0.3)
        return added


async def test_the_episode_that_ends_its_run_is_counted(make_worker, specs) -> None:
    def counted() -> float:
        labels = ({"outcome": outcome, "purpose": "train"} for outcome in meters.OUTCOMES)
        name = "farfield_rollout_episodes_total"
        return sum(metrics.REGISTRY.get_sample_value(name, one) or 0 for one in labels)

    queue, before = EndsRun(), counted()
    await queue.plan("run", specs[:1])
    await queue.activate("default", "run")
    async with working(make_worker(queue, look_seconds=0.01)):
        await collected(queue, 1)
        async with asyncio.timeout(30):
            while counted() == before:  # noqa: ASYNC110 - what is counted sets no event
                await asyncio.sleep(0.01)
    assert counted() == before + 1


@pytest.mark.parametrize("concurrency", [1, 3, 64])
async def test_every_planned_episode_is_committed_once(make_worker, specs, concurrency) -> None:
    queue = MemoryQueue()
    await queue.plan("run", specs)
    await queue.activate("default", "run")
    async with working(make_worker(queue, concurrency=concurrency)):
        trajectories = await collected(queue, 20)
    assert sorted(one.spec.episode_id for one in trajectories) == sorted(one.episode_id for one in specs)
    assert await queue.backlog("run") == Backlog(0, 0, 0, 20)


async def test_the_number_of_workers_does_not_change_the_episodes(make_worker, specs) -> None:
    results = []
    for names in (["a"], ["a", "b", "c"]):
        queue = MemoryQueue()
        await queue.plan("run", specs)
        await queue.activate("default", "run")
        async with (
            working(make_worker(queue, worker=names[0], concurrency=4)),
            working(make_worker(queue, worker=names[-1], concurrency=4)),
        ):
            results.append(content(await collected(queue, 20)))
    assert results[0] == results[1]


async def test_an_idle_lane_is_waited_on_and_another_lane_is_none_of_ours(make_worker, specs) -> None:
    queue = MemoryQueue()
    await queue.plan("run", specs)
    await queue.activate("elsewhere", "run")
    async with working(make_worker(queue)):
        await asyncio.sleep(0.02)
        assert (await queue.backlog("run")).queued == 20
        await queue.activate("default", "run")
        await collected(queue, 20)


async def test_draining_finishes_what_is_at_hand_and_claims_nothing_more(world, make_worker, specs) -> None:
    queue = MemoryQueue()
    world.policy.hold = asyncio.Event()
    await queue.plan("run", specs)
    await queue.activate("default", "run")
    async with working(make_worker(queue, concurrency=5)) as worker:
        await world.policy.asked(5)
        draining = asyncio.create_task(worker.drain())
        world.policy.hold.set()
        await draining
    assert await queue.backlog("run") == Backlog(15, 0, 5, 0)


async def test_draining_gives_back_what_it_cannot_finish(world, make_worker, specs) -> None:
    queue = MemoryQueue()
    world.policy.hold = asyncio.Event()
    await queue.plan("run", specs)
    await queue.activate("default", "run")
    async with working(make_worker(queue, concurrency=5, server=ServerConfig(drain_seconds=0))) as worker:
        await world.policy.asked(5)
        await worker.drain()
    world.policy.hold.set()
    claims = await queue.claim("run", "next", 20, 0)
    assert sorted(claim.attempt for claim in claims) == [1] * 15 + [2] * 5
    await world.services.close()
    assert len(world.environment.closed) == 5


async def test_a_run_that_ends_is_given_up_for_the_next(world, make_worker, specs) -> None:
    queue = MemoryQueue()
    world.policy.hold = asyncio.Event()
    await queue.plan("old", specs)
    await queue.activate("default", "old")
    worker = make_worker(queue)
    async with working(worker):
        await world.policy.asked(1)
        old = [one.task for one in worker._playing.values()]
        await queue.plan("run", [world.spec(1)])
        await queue.activate("default", "run")
        await asyncio.wait(old)
        world.policy.hold.set()
        assert len(await collected(queue, 1)) == 1
    assert len(await queue.claim("old", "next", 20, 0)) == 20


async def test_an_episode_taken_over_is_stopped(world, make_worker, specs) -> None:
    queue = MemoryQueue(lease_seconds=0.03)
    world.policy.hold = asyncio.Event()
    await queue.plan("run", specs[:1])
    await queue.activate("default", "run")
    worker = make_worker(queue, lease_seconds=0.03)
    async with working(worker):
        await world.policy.asked(1)
        await queue.activate("default", "nothing else to claim")
        run = queue._runs["run"]
        (lease,) = run.leases.values()
        lease.worker = "another"
        await asyncio.wait([one.task for one in worker._playing.values()])
    world.policy.hold.set()


async def test_leases_are_renewed_while_episodes_are_played(world, make_worker, specs) -> None:
    """Longer than many leases, and still nobody else could claim."""
    queue = MemoryQueue(lease_seconds=0.3)
    world.policy.hold = asyncio.Event()
    await queue.plan("run", specs[:2])
    await queue.activate("default", "run")
    async with working(make_worker(queue, lease_seconds=0.3)):
        await world.policy.asked(2)
        assert await queue.claim("run", "rival", 2, 0.7) == []
        world.policy.hold.set()
        trajectories = await collected(queue, 2)
    assert {one.provenance.attempt for one in trajectories} == {1}


async def test_an_episode_that_takes_its_workers_down_fails_in_the_end(make_worker, specs) -> None:
    queue = MemoryQueue()
    await queue.plan("run", specs[:1])
    await queue.activate("default", "run")
    for _ in range(3):
        (claim,) = await queue.claim("run", "dead", 1, 0)
        await queue.release("run", "dead", [claim.entry_id], failed=True)
    async with working(make_worker(queue, attempts=3)):
        (trajectory,) = await collected(queue, 1)
    assert trajectory.failure == pb.FAILURE_ENVIRONMENT
    assert "started 3 times" in trajectory.failure_detail
    assert trajectory.provenance.attempt == 4
    assert not trajectory.turns


async def test_workers_that_leave_in_order_spend_no_attempts(world, make_worker, specs) -> None:
    queue = MemoryQueue()
    await queue.plan("run", specs[:1])
    await queue.activate("default", "run")
    for times in (1, 2, 3):
        world.policy.hold = asyncio.Event()
        async with working(make_worker(queue, attempts=1, server=ServerConfig(drain_seconds=0))) as worker:
            await world.policy.asked(times)
            await worker.drain()
        world.policy.hold.set()
    async with working(make_worker(queue, attempts=1)):
        (trajectory,) = await collected(queue, 1)
    assert not trajectory.failure
    assert trajectory.provenance.attempt == 4


async def test_a_bug_in_the_loop_gives_the_episode_back(make_worker, specs, caplog) -> None:
    queue = MemoryQueue()
    broken = pb.EpisodeSpec()
    broken.CopyFrom(specs[0])
    await queue.plan("run", [broken, specs[1]])
    await queue.activate("default", "run")
    worker = make_worker(queue, attempts=2)
    play = worker._played

    async def buggy(claim):
        if claim.spec.episode_id == broken.episode_id and claim.attempt <= 2:
            raise ZeroDivisionError
        return await play(claim)

    worker._played = buggy
    async with working(worker):
        trajectories = await collected(queue, 2)
    assert sorted(bool(one.failure) for one in trajectories) == [False, True]
    assert "broke the worker's loop" in caplog.text


class Outages(MemoryQueue):
    """A queue that is away for a number of calls."""

    away = 0

    async def _meet(self) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("Redis cannot be reached")

    async def active_run(self, lane: str) -> str | None:
        await self._meet()
        return await super().active_run(lane)

    async def commit_many(self, run_id, worker, played):
        await self._meet()
        return await super().commit_many(run_id, worker, played)


async def test_a_queue_that_is_away_is_waited_for(world, make_worker, specs, monkeypatch) -> None:
    monkeypatch.setattr("farfield_rollout.worker._AGAIN_SECONDS", 0.001)
    queue = Outages()
    queue.away = 3
    world.policy.hold = asyncio.Event()
    await queue.plan("run", specs)
    await queue.activate("default", "run")
    async with working(make_worker(queue)):
        await world.policy.asked(20)
        queue.away = 2
        world.policy.hold.set()
        assert len(await collected(queue, 20)) == 20


async def test_images_are_committed_with_the_episodes_that_show_them(world, make_worker, specs) -> None:
    png = b"\x89PNG and so on"
    digest = hashlib.sha256(png).hexdigest()
    world.environment.image = Image(sha256=digest, data=png)
    queue = MemoryQueue()
    await queue.plan("run", specs)
    await queue.activate("default", "run")
    async with working(make_worker(queue)):
        items = []
        while len(items) < 20:
            items += await queue.collect("run", 20, 30)
    assert all(item.blobs == {digest: png} for item in items)
    assert queue._runs["run"].blobs == {digest: png}
