"""The queue in Redis (7 or newer, or Valkey): Streams, consumer groups, and Lua for what must be atomic."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import NotFound
from farfield_kernel.queue import redis_figures, redis_scripts
from farfield_kernel.queue.contract import (
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Backlog,
    Claim,
    Collected,
    Footprint,
    Played,
)
from farfield_kernel.queue.images import Shown, to_keep
from farfield_kernel.queue.redis_commits import ADDED, IMAGE_MISSING, Batch, Parcel, batches
from farfield_kernel.queue.redis_images import RedisImages
from farfield_kernel.queue.redis_keys import Keys, lane_key
from farfield_kernel.queue.redis_link import GONE, Link, script
from farfield_kernel.weights import Weights

T = TypeVar("T")
log = logging.getLogger(__name__)

_Entry = tuple[str, dict[bytes, bytes]]
"""Of a stream: its id and its fields."""

WORKERS, TRAINER = "workers", "trainer"
"""Consumer groups of the two streams."""

_SLICE_SECONDS = 1.0
"""Longest single blocking read; a longer wait is several, so that expired leases are seen."""
_LOOK_SHARE = 0.1
"""Of a lease, in whole seconds: the pause of all workers together between looks for leases that ran out."""
_FOREVER_IDLE_MS = 10_000_000_000
_GIVEN_BACK = 1 << 20
"""Added to the times that Redis has delivered an entry, for each time that it was given back."""
_PLAN_BATCH = 500
_ACKNOWLEDGE_BATCH = 1000
_ORPHAN_SECONDS = 3600
"""How long a commit to a run without a plan is kept: a trainer plans again within seconds of a wipe."""


class RedisQueue:
    def __init__(
        self,
        url: str,
        lease_seconds: float = LEASE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._link = Link(url, patience_seconds)
        self._redis = self._link.redis
        self._lease_seconds = lease_seconds
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._last_collected: dict[str, str] = {}
        self._answer_lost: set[str] = set()
        self._images = RedisImages(self._link)
        self._plan = script(self._link, redis_scripts.PLAN)
        self._claim = script(self._link, redis_scripts.CLAIM)
        self._set_idle = script(self._link, redis_scripts.SET_IDLE)
        self._commit = script(self._link, redis_scripts.COMMIT)
        self._recover = script(self._link, redis_scripts.RECOVER)
        self._acknowledge = script(self._link, redis_scripts.ACKNOWLEDGE)
        self._take_out = script(self._link, redis_scripts.TAKE_OUT)
        self._make_group = script(self._link, redis_scripts.MAKE_GROUP)
        self._deactivate = script(self._link, redis_scripts.DEACTIVATE)

    # Work

    async def plan(self, run_id: str, specs: Sequence[EpisodeSpec]) -> int:
        keys, new = Keys.of(run_id), 0
        for start in range(0, len(specs), _PLAN_BATCH):
            batch = specs[start : start + _PLAN_BATCH]
            pairs = [part for spec in batch for part in (spec.episode_id, spec.SerializeToString())]
            new += await self._plan(keys.all(), [WORKERS, TRAINER, *pairs])
        return new

    async def claim(self, run_id: str, worker: str, count: int, block_seconds: float) -> list[Claim]:
        keys = Keys.of(run_id)
        told = [WORKERS, worker, self._lease_ms, count, int(self._lease_seconds * _LOOK_SHARE)]

        async def look(seconds: float) -> list[Claim]:
            found = await _or_no_group(self._claim([keys.work, keys.looked], told))
            claims = [_claim(*one) for one in found or ()]
            if claims or not seconds:
                return claims
            entries = await self._link.run(
                lambda: self._read(keys.work, WORKERS, worker, count, ">", seconds)
            )
            return [Claim(entry, EpisodeSpec.FromString(fields[b"spec"]), 1) for entry, fields in entries]

        return await self._wait(look, block_seconds)

    async def renew(self, run_id: str, worker: str, entry_ids: Sequence[str]) -> list[str]:
        return await self._idle_for(run_id, worker, entry_ids, 0, 0)

    async def release(
        self, run_id: str, worker: str, entry_ids: Sequence[str], *, failed: bool = False
    ) -> None:
        await self._idle_for(run_id, worker, entry_ids, _FOREVER_IDLE_MS, 0 if failed else _GIVEN_BACK)

    async def _idle_for(
        self, run_id: str, worker: str, entry_ids: Sequence[str], idle_ms: int, added: int
    ) -> list[str]:
        if not entry_ids:
            return []
        keys = Keys.of(run_id)
        call = self._set_idle([keys.work, keys.looked], [WORKERS, worker, idle_ms, added, *entry_ids])
        lost = await _or_no_group(call)
        return list(entry_ids) if lost is None else [entry.decode() for entry in lost]

    async def commit(self, run_id: str, worker: str, played: Played) -> bool:
        return (await self.commit_many(run_id, worker, [played]))[0]

    async def commit_many(self, run_id: str, worker: str, played: Sequence[Played]) -> list[bool]:
        keys, named = Keys.of(run_id), [to_keep(one) for one in played]
        absent = await self._images.absent(keys.blobs, {digest for digests in named for digest in digests})
        answers: list[int] = []
        for batch in batches(map(Parcel.of, played, named), absent):
            answers += await self._send(keys, batch)
        return [answer == ADDED for answer in answers]

    async def _send(self, keys: Keys, batch: Batch) -> list[int]:
        """The script's answers. An image that was freed after Redis had been asked for it is sent along
        the second time."""
        call = self._commit(keys.all(), [WORKERS, _ORPHAN_SECONDS, *batch.arguments()])
        answers: list[int] = await call
        pairs = zip(batch.parcels, answers, strict=True)
        if torn := [parcel for parcel, answer in pairs if answer == IMAGE_MISSING]:
            again = iter(await self._send(keys, Batch.whole(torn)))
            return [next(again) if answer == IMAGE_MISSING else answer for answer in answers]
        return answers

    # Trajectories

    async def recover(self, run_id: str) -> int:
        count: int = await self._recover([Keys.of(run_id).trajectories], [TRAINER])
        self._last_collected.pop(run_id, None)
        self._answer_lost.discard(run_id)
        return count

    async def collect(self, run_id: str, count: int, block_seconds: float) -> list[Collected]:
        async def look(seconds: float) -> list[Collected]:
            return await self._link.run(lambda: self._collect(run_id, count, seconds))

        return await self._wait(look, block_seconds)

    async def _collect(self, run_id: str, count: int, seconds: float) -> list[Collected]:
        """An answer that was lost on the way has moved its entries to the delivered ones: they are
        read from there, behind the last one that did arrive."""
        keys, entries = Keys.of(run_id), []
        if run_id in self._answer_lost:
            after = self._last_collected.get(run_id, "0-0")
            entries = await self._read(keys.trajectories, TRAINER, TRAINER, count, after, 0)
        caught_up = not entries
        if caught_up:
            self._answer_lost.add(run_id)
            entries = await self._read(keys.trajectories, TRAINER, TRAINER, count, ">", seconds)
        collected = await self._with_images(keys, entries)
        if caught_up:
            self._answer_lost.discard(run_id)
        if entries:
            self._last_collected[run_id] = entries[-1][0]
        return collected

    async def _with_images(self, keys: Keys, entries: list[_Entry]) -> list[Collected]:
        """The trajectories whose images are all there; those of others are taken out of the stream."""
        named = [fields.get(b"images", b"").decode().split() for _, fields in entries]
        images = await self._images.find(keys.blobs, {digest for digests in named for digest in digests})
        collected: list[Collected] = []
        torn: list[str] = []
        for (entry, fields), digests in zip(entries, named, strict=True):
            trajectory = Trajectory.FromString(fields[b"trajectory"])
            if not digests:
                collected.append(Collected(entry, trajectory))
            elif images.keys() >= set(digests):
                shown = Shown({digest: images[digest] for digest in digests})
                collected.append(Collected(entry, trajectory, shown))
            else:
                torn += [entry, trajectory.spec.episode_id]
        if torn:
            await self._take_out(keys.all()[1:], [TRAINER, *torn])
            log.warning("Redis lost images of %d episodes; they are to be played again", len(torn) // 2)
        return collected

    async def acknowledge(self, run_id: str, entry_ids: Sequence[str]) -> None:
        keys = Keys.of(run_id)
        touched = [keys.trajectories, keys.blobs, keys.references]
        for start in range(0, len(entry_ids), _ACKNOWLEDGE_BATCH):
            await self._acknowledge(touched, [TRAINER, *entry_ids[start : start + _ACKNOWLEDGE_BATCH]])

    async def backlog(self, run_id: str) -> Backlog:
        return await redis_figures.backlog(self._link, Keys.of(run_id), WORKERS, TRAINER)

    async def footprint(self) -> Footprint:
        return await redis_figures.footprint(self._link)

    async def drop(self, run_id: str) -> None:
        keys = Keys.of(run_id)
        await self._link.run(lambda: self._redis.unlink(*keys.all(), keys.looked))

    # Lanes

    async def activate(self, lane: str, run_id: str) -> None:
        await self._link.run(lambda: self._redis.set(lane_key(lane, "run"), run_id))

    async def deactivate(self, lane: str, run_id: str) -> None:
        await self._deactivate([lane_key(lane, "run")], [run_id])

    async def active_run(self, lane: str) -> str | None:
        run_id = await self._link.run(lambda: self._redis.get(lane_key(lane, "run")))
        return run_id.decode() if run_id else None

    async def announce(self, lane: str, weights: Weights) -> None:
        fields: dict[Any, Any] = {"weights": json.dumps(asdict(weights))}
        key = lane_key(lane, "weights")
        await self._link.run(lambda: self._redis.xadd(key, fields, maxlen=1, approximate=False))

    async def weights(self, lane: str) -> Weights | None:
        return (await self._announced(lane))[1]

    async def _announced(self, lane: str) -> tuple[str, Weights | None]:
        key = lane_key(lane, "weights")
        entries = await self._link.run(lambda: self._redis.xrevrange(key, count=1))
        if not entries:
            return "0-0", None
        return entries[0][0].decode(), Weights(**json.loads(entries[0][1][b"weights"]))

    async def watch_weights(self, lane: str, seen: Weights | None, block_seconds: float) -> Weights | None:
        async def look(seconds: float) -> Weights | None:
            entry_id, present = await self._announced(lane)
            if present != seen:
                return present
            block = max(1, round(seconds * 1000))
            streams: dict[Any, Any] = {lane_key(lane, "weights"): entry_id}
            if seconds and await self._link.run(lambda: self._redis.xread(streams, block=block)):
                present = await self.weights(lane)
            return None if present == seen else present

        return await self._wait(look, block_seconds)

    async def close(self) -> None:
        await self._link.close()

    # Reading

    async def _read(
        self, key: str, group: str, consumer: str, count: int, after: str, seconds: float
    ) -> list[_Entry]:
        """Entries `after` an id, `>` for those delivered to nobody. Without a group (nothing planned
        yet, or a wiped Redis) there is nothing to read; a stream that exists gets its group."""
        block = max(1, round(seconds * 1000)) if seconds else None
        try:
            answer = await self._redis.xreadgroup(group, consumer, {key: after}, count, block)
        except ResponseError as error:
            if not str(error).startswith(GONE):
                raise
            await self._make_group([key], [group])
            await asyncio.sleep(min(0.1, seconds))
            return []
        entries = answer[0][1] if answer else ()
        return [(entry.decode(), fields) for entry, fields in entries if fields]

    async def _wait(self, look: Callable[[float], Awaitable[T]], block_seconds: float) -> T:
        """Looks, each time for a slice of the time, until something is found or the time is over."""
        deadline = time.monotonic() + block_seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            found = await look(min(left, _SLICE_SECONDS, self._lease_seconds / 4))
            if found or time.monotonic() >= deadline:
                return found


def _claim(entry: bytes, spec: bytes, delivered: int) -> Claim:
    given_back, attempt = divmod(delivered, _GIVEN_BACK)
    return Claim(entry.decode(), EpisodeSpec.FromString(spec), attempt, given_back)


async def _or_no_group(call: Awaitable[T]) -> T | None:
    """The answer, or None where the run has no such stream or group."""
    try:
        return await call
    except NotFound:
        return None
