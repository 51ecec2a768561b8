"""Images in a real Redis: what is sent, what stays, and what happens when something is lost on the way."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield.types.v1.types_pb2 import Image, Message, Part
from farfield_kernel.queue.contract import Claim, Collected, Played
from farfield_kernel.queue.redis import RedisQueue

RUN = "run"
RED, BLUE = b"red" * 100_000, b"blue" * 100_000


def digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


@dataclass
class Store:
    """A server of one's own, a queue on it, and a client that looks behind the queue's back."""

    queue: RedisQueue
    client: Redis

    async def play(self, *images: bytes) -> list[Played]:
        """Plans an episode for each image, and claims and plays it."""
        specs = [EpisodeSpec(episode_id=f"e/{number}", index=number) for number in range(len(images))]
        await self.queue.plan(RUN, specs)
        claims = await self.queue.claim(RUN, "w", len(images), 0)
        return [showing(claim, image) for claim, image in zip(claims, images, strict=True)]

    async def commit(self, *images: bytes) -> list[bool]:
        return await self.queue.commit_many(RUN, "w", await self.play(*images))

    async def collect(self) -> list[Collected]:
        return await self.queue.collect(RUN, 99, 0)

    async def commit_elsewhere(self) -> None:
        """A call to a server that does not know the script yet is sent twice: that is done with then."""
        claim = Claim("1-0", EpisodeSpec(), 1)
        await self.queue.commit("another run", "w", Played(claim, Trajectory()))

    async def finish(self) -> None:
        """Collects and acknowledges all that is there."""
        await self.queue.recover(RUN)
        await self.queue.acknowledge(RUN, [item.entry_id for item in await self.collect()])

    async def received(self) -> int:
        """Bytes that the server was sent so far."""
        return (await self.client.info("stats"))["total_net_input_bytes"]

    async def sizes(self) -> dict[str, int]:
        """Fields or entries of each key that is left of the run, but for the one that goes by itself."""
        sizes = {}
        for key in await self.client.keys(f"farfield:{{{RUN}}}:*"):
            kind = await self.client.type(key)
            size = self.client.xlen if kind == b"stream" else self.client.hlen
            sizes[key.decode().rpartition(":")[2]] = await size(key)
        sizes.pop("looked", None)
        return sizes


def showing(claim: Claim, image: bytes) -> Played:
    part = Part(image=Image(sha256=digest(image)))
    trajectory = Trajectory(spec=claim.spec, turns=[Turn(messages=[Message(parts=[part])])])
    return Played(claim, trajectory, {digest(image): image})


def key(name: str) -> str:
    return f"farfield:{{{RUN}}}:{name}"


@pytest.fixture
async def store(make_redis) -> AsyncIterator[Store]:
    url = make_redis().url
    async with Redis.from_url(url) as client:
        store = Store(RedisQueue(url, patience_seconds=30), client)
        yield store
        await store.queue.close()


async def test_bytes_are_sent_once_and_held_once(store: Store) -> None:
    played = await store.play(RED, RED, RED, RED)
    await store.commit_elsewhere()
    before = await store.received()
    for one in played:
        assert await store.queue.commit(RUN, "another worker", one)
    assert len(RED) < await store.received() - before < 1.05 * len(RED)
    assert await store.client.hstrlen(key("blobs"), digest(RED)) == len(RED)
    assert await store.client.memory_usage(key("blobs")) < 1.5 * len(RED)
    assert all(item.blobs == {digest(RED): RED} for item in await store.collect())


async def test_one_call_sends_what_its_trajectories_share_once(store: Store) -> None:
    played = await store.play(*[RED, BLUE] * 8)
    await store.commit_elsewhere()
    before = await store.received()
    await store.queue.commit_many(RUN, "w", played)
    assert await store.received() - before < 1.05 * (len(RED) + len(BLUE))


async def test_bytes_are_fetched_once(store: Store) -> None:
    await store.commit(*[RED] * 16)
    before = (await store.client.info("stats"))["total_net_output_bytes"]
    items = [*await store.queue.collect(RUN, 4, 0), *await store.collect()]
    assert len(items) == 16
    sent = (await store.client.info("stats"))["total_net_output_bytes"] - before
    assert sent < 1.05 * len(RED)


async def test_nothing_but_marks_is_left_of_acknowledged_trajectories(store: Store) -> None:
    await store.commit(RED, BLUE, RED)
    await store.finish()
    assert await store.sizes() == {"work": 0, "trajectories": 0, "episodes": 3}


async def test_nothing_is_left_of_a_dropped_run(store: Store) -> None:
    await store.commit(RED, BLUE)
    await store.queue.drop(RUN)
    assert await store.sizes() == {}


async def test_a_late_commit_to_a_dropped_run_goes_by_itself(store: Store) -> None:
    (played,) = await store.play(RED)
    await store.queue.drop(RUN)
    assert await store.queue.commit(RUN, "late", played)
    assert await store.sizes() == {"trajectories": 1, "episodes": 1, "blobs": 1, "references": 2}
    for name in await store.sizes():
        assert 0 < await store.client.ttl(key(name)) <= 3600


async def test_a_commit_after_a_wipe_stays_once_the_run_is_planned_again(store: Store) -> None:
    early, late = await store.play(RED, BLUE)
    await store.client.flushall()
    assert await store.queue.commit(RUN, "w", early)
    assert await store.queue.plan(RUN, [early.claim.spec, late.claim.spec]) == 1
    assert [await store.client.ttl(key(name)) for name in await store.sizes()] == [-1] * 5
    (item,) = await store.queue.collect(RUN, 9, 5)
    assert item.blobs == {digest(RED): RED}


async def test_an_image_that_is_freed_between_question_and_commit_is_sent_again(
    store: Store, monkeypatch
) -> None:
    first, second, other = await store.play(RED, RED, BLUE)
    await store.queue.commit(RUN, "w", first)
    asked = store.queue._images.absent

    async def then_freed(*arguments) -> set[str]:
        absent = await asked(*arguments)
        await store.finish()
        return absent

    monkeypatch.setattr(store.queue._images, "absent", then_freed)
    assert await store.queue.commit_many(RUN, "w", [other, first, second]) == [True, False, True]
    items = await store.collect()
    assert [dict(item.blobs) for item in items] == [{digest(BLUE): BLUE}, {digest(RED): RED}]


@pytest.mark.parametrize("evicted", ["blobs", "references", "trajectories", "episodes"])
async def test_whatever_key_is_evicted_each_episode_arrives_and_nothing_stays(
    store: Store, evicted: str
) -> None:
    """A server that is told to evict may take any key of a run."""
    played = await store.play(RED, BLUE, RED)
    await store.queue.commit_many(RUN, "w", played[:2])
    await store.client.delete(key(evicted))
    await store.queue.commit(RUN, "w", played[2])
    items = {item.trajectory.spec.index: item for item in await store.collect()}
    specs = [one.claim.spec for one in played]
    await store.queue.plan(RUN, [spec for spec in specs if spec.index not in items])
    if len(items) < 3 and evicted == "trajectories":  # as the trainer does when nothing is left to wait for
        await store.queue.drop(RUN)
        await store.queue.plan(RUN, [spec for spec in specs if spec.index not in items])
    again = await store.queue.claim(RUN, "w", 9, 0)
    await store.queue.commit_many(RUN, "w", [showing(one, (RED, BLUE)[one.spec.index % 2]) for one in again])
    items |= {item.trajectory.spec.index: item for item in await store.collect()}
    assert sorted(items) == [0, 1, 2]
    assert all(len(item.blobs) == 1 for item in items.values())
    await store.queue.drop(RUN)
    assert await store.sizes() == {}


async def test_images_of_a_lost_answer_are_held_once_and_come_again(proxy) -> None:
    """Answers are lost of commits, of the images asked for, and of acknowledgements."""
    lossy, url, direct = proxy
    async with Redis.from_url(direct) as client:
        store = Store(RedisQueue(url, patience_seconds=30), client)
        played = await store.play(RED, RED, BLUE)
        for one in played:
            lossy.arm(b"EVALSHA")
            await store.queue.commit(RUN, "w", one)
        lossy.arm(b"HMGET")
        items = await store.collect()
        assert [dict(item.blobs) for item in items] == [dict(one.blobs) for one in played]
        assert await store.sizes() == {
            "work": 0, "trajectories": 3, "episodes": 3, "blobs": 2, "references": 5
        }  # fmt: skip
        for item in items:
            lossy.arm(b"EVALSHA")
            await store.queue.acknowledge(RUN, [item.entry_id])
        assert lossy.swallowed == 7
        assert await store.sizes() == {"work": 0, "trajectories": 0, "episodes": 3}
        await store.queue.close()
