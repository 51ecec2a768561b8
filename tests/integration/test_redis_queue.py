"""The Redis queue through what happens to real servers: outages, kills, restarts, lost answers."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import Exhausted, Unauthenticated, Unavailable
from farfield_kernel.queue.contract import Backlog, Claim, Played, Queue
from farfield_kernel.queue.opening import connect

RUN = "run"


def specs(count: int) -> list[EpisodeSpec]:
    return [EpisodeSpec(episode_id=f"e/{number}", environment_seed=number) for number in range(count)]


def unseen(claim: Claim) -> Played:
    """An episode without pictures."""
    return Played(claim, Trajectory(spec=claim.spec))


async def commit_all(queue: Queue, count: int) -> None:
    await queue.plan(RUN, specs(count))
    claims = await queue.claim(RUN, "w", count, 0)
    await queue.commit_many(RUN, "w", [unseen(claim) for claim in claims])


def seeds(items: list) -> list[int]:
    return [item.trajectory.spec.environment_seed for item in items]


@pytest.fixture
async def open_queue() -> AsyncIterator[Callable[..., Queue]]:
    queues: list[Queue] = []

    def make(url: str, **options: float) -> Queue:
        queues.append(connect(url, **options))
        return queues[-1]

    yield make
    for queue in queues:
        await queue.close()


async def test_no_server_is_a_clear_error(open_queue, unused_tcp_port: int) -> None:
    queue = open_queue(f"redis://:secret@127.0.0.1:{unused_tcp_port}", patience_seconds=0.1)
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        await queue.plan(RUN, specs(1))
    assert f"127.0.0.1:{unused_tcp_port}" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_wrong_password_is_not_tried_again(open_queue, make_redis) -> None:
    server = make_redis("--requirepass", "right")
    queue = open_queue(server.url.replace("redis://", "redis://:wrong@"), patience_seconds=60)
    with pytest.raises(Unauthenticated, match="check the queue url"):
        await queue.active_run("lane")


async def test_an_outage_is_waited_out(open_queue, make_redis) -> None:
    """Killed in the middle of a blocking read, with every write on disk: nothing is lost."""
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    queue = open_queue(server.url, patience_seconds=60)
    await commit_all(queue, 3)
    await queue.collect(RUN, 1, 0)
    await queue.plan(RUN, specs(5))
    await queue.claim(RUN, "w", 1, 0)
    await queue.activate("lane", RUN)
    waiting = asyncio.create_task(queue.claim("other", "w", 1, 60))
    await asyncio.sleep(0.01)
    server.kill()
    server.start()
    assert await queue.backlog(RUN) == Backlog(queued=1, claimed=1, uncollected=2, unacknowledged=1)
    assert await queue.active_run("lane") == RUN
    await queue.plan("other", specs(1))
    assert len(await waiting) == 1
    assert await queue.recover(RUN) == 3
    assert seeds(await queue.collect(RUN, 9, 0)) == [0, 1, 2]


async def test_leases_survive_a_restart(open_queue, make_redis) -> None:
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    queue = open_queue(server.url, patience_seconds=60)
    await queue.plan(RUN, specs(30))
    claims = await queue.claim(RUN, "w", 30, 0)
    server.kill()
    server.start()
    assert await queue.renew(RUN, "w", [claim.entry_id for claim in claims]) == []
    await queue.release(RUN, "w", [claim.entry_id for claim in claims])
    assert {claim.attempt for claim in await queue.claim(RUN, "v", 30, 0)} == {2}


async def test_forgotten_scripts_are_told_again(open_queue, make_redis) -> None:
    server = make_redis()
    queue = open_queue(server.url)
    await commit_all(queue, 1)
    async with Redis.from_url(server.url) as client:
        await client.script_flush()
    assert await queue.plan(RUN, specs(2)) == 1
    (claim,) = await queue.claim(RUN, "w", 1, 0)
    async with Redis.from_url(server.url) as client:
        await client.script_flush()
    assert await queue.commit(RUN, "w", unseen(claim))


async def test_a_wiped_server_is_planned_again(open_queue, make_redis) -> None:
    """Without persistence everything is gone; planning again and going on is all there is to do."""
    server = make_redis()
    queue = open_queue(server.url, patience_seconds=60)
    await queue.plan(RUN, specs(2))
    (held,) = await queue.claim(RUN, "w", 1, 0)
    server.kill()
    server.start()
    assert await queue.commit(RUN, "w", unseen(held))
    assert await queue.plan(RUN, specs(2)) == 1
    (claim,) = await queue.claim(RUN, "w", 5, 0)
    await queue.commit(RUN, "w", unseen(claim))
    assert sorted(seeds(await queue.collect(RUN, 5, 0))) == [0, 1]


async def test_a_server_without_memory_says_so(open_queue, make_redis) -> None:
    queue = open_queue(make_redis("--maxmemory", "100kb").url)
    with pytest.raises(Exhausted, match="raise maxmemory"):
        await queue.plan(RUN, specs(1))


async def test_trajectories_of_a_lost_answer_come_again(open_queue, proxy) -> None:
    lossy, url, _ = proxy
    queue = open_queue(url, patience_seconds=30)
    await commit_all(queue, 5)
    first = await queue.collect(RUN, 1, 0)
    lossy.arm(b"XREADGROUP")
    rest = await queue.collect(RUN, 2, 0)
    rest += await queue.collect(RUN, 9, 0)
    rest += await queue.collect(RUN, 9, 0)
    assert lossy.swallowed == 1
    assert seeds(first + rest) == [0, 1, 2, 3, 4]


async def test_trajectories_of_a_cancelled_collect_come_again(open_queue, proxy) -> None:
    lossy, url, _ = proxy
    queue = open_queue(url)
    await commit_all(queue, 1)
    lossy.arm(b"XREADGROUP", silent=True)
    waiting = asyncio.create_task(queue.collect(RUN, 1, 30))
    await lossy.swallowing.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert seeds(await queue.collect(RUN, 1, 5)) == [0]


async def test_work_of_a_lost_answer_is_played_once(open_queue, proxy) -> None:
    """Every answer is lost, of plans, claims and commits: each episode is committed once all the same."""
    lossy, url, direct = proxy
    queue = open_queue(url, patience_seconds=30, lease_seconds=0.05)
    watcher = open_queue(direct)
    for number in range(6):
        lossy.arm(b"EVALSHA")
        await queue.plan(RUN, specs(number + 1))
        lossy.arm(b"EVALSHA")
        (claim,) = await queue.claim(RUN, "w", 5, 30)
        lossy.arm(b"EVALSHA")
        await queue.commit(RUN, "w", unseen(claim))
    assert lossy.swallowed == 18
    assert seeds(await watcher.collect(RUN, 99, 0)) == [0, 1, 2, 3, 4, 5]


async def test_a_task_that_collects_can_always_be_cancelled(open_queue, redis_url: str) -> None:
    """Also at the moment when a command has just been sent."""
    queue = open_queue(redis_url)

    async def collect_for_ever() -> None:
        while True:
            await queue.collect("cancelled", 1, 1)

    for ticks in range(60):
        await queue.plan("cancelled", specs(1))
        collecting = asyncio.create_task(collect_for_ever())
        await asyncio.sleep(0.005)
        await queue.drop("cancelled")
        for _ in range(ticks % 4):
            await asyncio.sleep(0)
        collecting.cancel()
        done, _ = await asyncio.wait({collecting}, timeout=10)
        assert done


async def xpending_calls(client: Redis) -> int:
    return (await client.info("commandstats")).get("cmdstat_xpending", {"calls": 0})["calls"]


async def test_claims_pass_over_claimed_work_once_in_a_while(open_queue, redis_url) -> None:
    """A look at every claimed entry with every claim would grow with workers times episodes."""
    queue = open_queue(redis_url, lease_seconds=60)
    async with Redis.from_url(redis_url) as client:
        await queue.drop("looks")
        await queue.plan("looks", specs(20))
        before = await xpending_calls(client)
        for number in range(20):
            assert len(await queue.claim("looks", f"w{number}", 1, 0)) == 1
        assert await xpending_calls(client) - before == 1


async def test_an_expired_lease_is_found_after_the_pause(open_queue, redis_url) -> None:
    queue = open_queue(redis_url, lease_seconds=10)
    async with Redis.from_url(redis_url) as client:
        await queue.drop("pauses")
        await queue.plan("pauses", specs(1))
        (claim,) = await queue.claim("pauses", "dead", 1, 0)
        work = "farfield:{pauses}:work"
        await client.xclaim(work, "workers", "dead", 0, [claim.entry_id], idle=20_000, justid=True)
        assert await queue.claim("pauses", "other", 1, 0) == []
        (again,) = await queue.claim("pauses", "other", 1, 5)
        assert (again.entry_id, again.attempt) == (claim.entry_id, 2)
