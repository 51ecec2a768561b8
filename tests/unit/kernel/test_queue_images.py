"""Images in both queues: each is stored once, for as long as a trajectory that names it is not done with."""

import hashlib
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield.types.v1.types_pb2 import Image, Message, Part
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.queue.contract import Collected, Played, Queue
from farfield_kernel.queue.memory import named

RED, BLUE, GREEN = b"red" * 1000, b"blue" * 1000, b"green" * 1000


def digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def showing(spec: EpisodeSpec, *images: bytes) -> Trajectory:
    """One image a turn."""
    parts = [Part(image=Image(sha256=digest(image), media_type="image/png")) for image in images]
    return Trajectory(spec=spec, turns=[Turn(messages=[Message(parts=[part])]) for part in parts])


def blobs(*images: bytes) -> dict[str, bytes]:
    return {digest(image): image for image in images}


async def play(queue: Queue, run_id: str, *shown: tuple[bytes, ...]) -> list[Played]:
    """Plans and claims an episode for each, and plays it."""
    count = len(shown)
    await queue.plan(run_id, [EpisodeSpec(episode_id=f"e/{number}", index=number) for number in range(count)])
    claims = await queue.claim(run_id, "w", count, 0)
    pairs = zip(claims, shown, strict=True)
    return [Played(claim, showing(claim.spec, *images), blobs(*images)) for claim, images in pairs]


async def commit(queue: Queue, run_id: str, *shown: tuple[bytes, ...]) -> list[Collected]:
    """Plays, commits and collects."""
    assert all(await queue.commit_many(run_id, "w", await play(queue, run_id, *shown)))
    return await queue.collect(run_id, len(shown), 0)


@pytest.fixture
def stored(url: str, run_id: str) -> Callable[[], Awaitable[list[bytes]]]:
    """The images that the store itself holds, sorted."""

    async def look() -> list[bytes]:
        if url.startswith("memory:"):
            return sorted(named(url, 60)._runs[run_id].blobs.values())
        async with Redis.from_url(url) as client:
            return sorted(await client.hvals(f"farfield:{{{run_id}}}:blobs"))

    return look


@pytest.fixture
def lose(url: str, run_id: str) -> Callable[[bytes], Awaitable[None]]:
    """Takes an image out of the store behind the queue's back."""

    async def lose(image: bytes) -> None:
        if url.startswith("memory:"):
            del named(url, 60)._runs[run_id].blobs[digest(image)]
            return
        async with Redis.from_url(url) as client:
            await client.hdel(f"farfield:{{{run_id}}}:blobs", digest(image))

    return lose


class TestImages:
    async def test_they_come_with_every_trajectory_that_shows_them(self, open_queue, run_id) -> None:
        items = await commit(open_queue(), run_id, (RED, BLUE, RED), (RED,), ())
        assert [dict(item.blobs) for item in items] == [blobs(RED, BLUE), blobs(RED), {}]
        image = items[0].trajectory.turns[0].messages[0].parts[0].image
        assert (image.sha256, image.media_type, image.data) == (digest(RED), "image/png", b"")

    async def test_each_is_stored_once(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        played = await play(queue, run_id, (RED,), (RED, BLUE), (RED, RED), (BLUE,))
        for one in played:
            assert await queue.commit(run_id, "w", one)
        assert await stored() == sorted([RED, BLUE])

    async def test_trajectories_share_the_bytes_of_an_image(self, open_queue, run_id) -> None:
        """Also those of another call, as long as one of the first is held."""
        queue = open_queue()
        await queue.commit_many(run_id, "w", await play(queue, run_id, (RED,), (RED,), (RED,)))
        first, second = await queue.collect(run_id, 2, 0)
        (third,) = await queue.collect(run_id, 2, 0)
        data = first.blobs[digest(RED)]
        assert data == RED
        assert second.blobs[digest(RED)] is third.blobs[digest(RED)] is data

    async def test_what_no_message_names_is_not_kept(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        (played,) = await play(queue, run_id, (RED,))
        await queue.commit(run_id, "w", Played(played.claim, played.trajectory, blobs(RED, BLUE)))
        assert await stored() == [RED]

    async def test_they_go_with_the_last_trajectory_that_names_them(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        items = await commit(queue, run_id, (RED, BLUE), (RED, GREEN), (GREEN,))
        remaining = []
        for item in items:
            await queue.acknowledge(run_id, [item.entry_id])
            remaining.append(await stored())
        assert remaining == [[GREEN, RED], [GREEN], []]

    async def test_many_acknowledged_at_once(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        items = await commit(queue, run_id, *[(RED, BLUE)] * 30, (GREEN,))
        await queue.acknowledge(run_id, [item.entry_id for item in items[:30]])
        assert await stored() == [GREEN]

    async def test_an_acknowledgement_again_frees_nothing_more(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        first, _ = await commit(queue, run_id, (RED,), (RED,))
        await queue.acknowledge(run_id, [first.entry_id, first.entry_id])
        await queue.acknowledge(run_id, [first.entry_id])
        assert await stored() == [RED]

    async def test_a_copy_of_an_episode_holds_nothing(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        (played,) = await play(queue, run_id, (RED,))
        other = Played(played.claim, showing(played.claim.spec, RED, BLUE), blobs(RED, BLUE))
        assert await queue.commit(run_id, "w", played)
        assert not await queue.commit(run_id, "w", other)
        assert await queue.commit_many(run_id, "w", [played, other]) == [False, False]
        (item,) = await queue.collect(run_id, 5, 0)
        await queue.acknowledge(run_id, [item.entry_id])
        assert await stored() == []

    async def test_an_image_comes_back_after_it_was_freed(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        early, late = await play(queue, run_id, (RED,), (RED,))
        await queue.commit(run_id, "w", early)
        (item,) = await queue.collect(run_id, 1, 0)
        await queue.acknowledge(run_id, [item.entry_id])
        assert await stored() == []
        await queue.commit(run_id, "w", late)
        (item,) = await queue.collect(run_id, 1, 0)
        assert dict(item.blobs) == blobs(RED)

    async def test_a_large_batch(self, open_queue, run_id, stored) -> None:
        """More than goes into one call, with an image that all share."""
        queue = open_queue()
        own = [bytes([number]) * 1_000_000 for number in range(12)]
        items = await commit(queue, run_id, *[(image, RED) for image in own])
        assert [dict(item.blobs) for item in items] == [blobs(image, RED) for image in own]
        assert len(await stored()) == 13

    async def test_they_come_again_after_recovery(self, open_queue, run_id) -> None:
        await commit(open_queue(), run_id, (RED,), (BLUE,))
        restarted = open_queue()
        assert await restarted.recover(run_id) == 2
        items = await restarted.collect(run_id, 5, 0)
        assert [dict(item.blobs) for item in items] == [blobs(RED), blobs(BLUE)]

    async def test_a_trajectory_is_not_delivered_without_its_images(
        self, open_queue, run_id, stored, lose, caplog
    ) -> None:
        """It is taken out, and its episode can be planned, played and trained on again."""
        queue = open_queue()
        played = await play(queue, run_id, (RED,), (BLUE, RED), (BLUE,))
        await queue.commit_many(run_id, "w", played)
        await lose(RED)
        (item,) = await queue.collect(run_id, 5, 0)
        assert item.trajectory.spec.index == 2
        assert "to be played again" in caplog.text
        assert (await queue.backlog(run_id)).unacknowledged == 1
        assert await queue.plan(run_id, [one.claim.spec for one in played]) == 2
        again = await queue.claim(run_id, "w", 5, 0)
        assert [claim.spec.index for claim in again] == [0, 1]
        for claim in again:
            assert await queue.commit(run_id, "w", Played(claim, showing(claim.spec, RED), blobs(RED)))
        items = [item, *await queue.collect(run_id, 5, 0)]
        assert [dict(one.blobs) for one in items] == [blobs(BLUE), blobs(RED), blobs(RED)]
        await queue.acknowledge(run_id, [one.entry_id for one in items])
        assert await stored() == []

    async def test_a_dropped_run_leaves_no_image(self, open_queue, run_id, stored) -> None:
        queue = open_queue()
        (item,) = await commit(queue, run_id, (RED,))
        await queue.drop(run_id)
        assert await stored() == []
        await queue.acknowledge(run_id, [item.entry_id])
        (item,) = await commit(queue, run_id, (RED,))
        assert dict(item.blobs) == blobs(RED)

    async def test_an_image_without_bytes_is_refused(self, open_queue, run_id) -> None:
        queue = open_queue()
        (played,) = await play(queue, run_id, (RED,))
        with pytest.raises(InvalidArgument, match=f"e/0 shows image {digest(RED)}; commit its bytes"):
            await queue.commit(run_id, "w", Played(played.claim, played.trajectory, blobs(BLUE)))
        assert (await queue.backlog(run_id)).claimed == 1

    async def test_a_name_that_is_no_digest_is_refused(self, open_queue, run_id) -> None:
        queue = open_queue()
        (played,) = await play(queue, run_id, (RED,))
        for name in ("", "../../etc", digest(RED).upper(), digest(RED) + "\n"):
            played.trajectory.turns[0].messages[0].parts[0].image.sha256 = name
            with pytest.raises(InvalidArgument, match="SHA-256"):
                await queue.commit(run_id, "w", Played(played.claim, played.trajectory, {name: RED}))
