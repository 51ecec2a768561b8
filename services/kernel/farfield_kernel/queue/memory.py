"""The queue in one process's memory: the twin of the Redis queue, for tests and single-process use."""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TypeVar

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.queue.contract import LEASE_SECONDS, Backlog, Claim, Collected, Footprint, Played
from farfield_kernel.queue.images import to_keep
from farfield_kernel.weights import Weights

T = TypeVar("T")
log = logging.getLogger(__name__)

_FOREVER_IDLE = float("-inf")


@dataclass(slots=True)
class _Lease:
    worker: str
    since: float
    attempt: int
    given_back: int = 0


@dataclass(slots=True)
class _Run:
    """Bytes, as a real store keeps them, so that no caller shares an object with another."""

    work: dict[str, bytes] = field(default_factory=dict)
    added: dict[str, float] = field(default_factory=dict)
    """When an entry of `work` was planned."""
    leases: dict[str, _Lease] = field(default_factory=dict)
    trajectories: dict[str, bytes] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    planned: set[str] = field(default_factory=set)
    committed: set[str] = field(default_factory=set)
    blobs: dict[str, bytes] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    """Digests of the images that an entry of `trajectories` names."""
    references: Counter[str] = field(default_factory=Counter)
    """How many entries name a digest."""


class MemoryQueue:
    def __init__(self, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_seconds = lease_seconds
        self._runs: dict[str, _Run] = defaultdict(_Run)
        self._active: dict[str, str] = {}
        self._weights: dict[str, Weights] = {}
        self._ids = (f"{number}-0" for number in count(1))
        self._changed = asyncio.Condition()

    async def plan(self, run_id: str, specs: Sequence[EpisodeSpec]) -> int:
        run = self._runs[run_id]
        known = run.planned | run.committed
        fresh = {spec.episode_id: spec for spec in specs if spec.episode_id not in known}
        run.planned.update(fresh)
        for spec in fresh.values():
            entry_id = next(self._ids)
            run.work[entry_id], run.added[entry_id] = spec.SerializeToString(), time.monotonic()
        await self._notify()
        return len(fresh)

    async def claim(self, run_id: str, worker: str, count: int, block_seconds: float) -> list[Claim]:
        return await self._wait(lambda: self._claim(self._runs[run_id], worker, count), block_seconds)

    def _claim(self, run: _Run, worker: str, count: int) -> list[Claim]:
        over = time.monotonic() - self._lease_seconds
        expired = [entry for entry, lease in run.leases.items() if lease.since <= over]
        new = [entry for entry in run.work if entry not in run.leases]
        return [self._grant(run, worker, entry) for entry in [*expired, *new][:count]]

    def _grant(self, run: _Run, worker: str, entry_id: str) -> Claim:
        before = run.leases.get(entry_id)
        attempt, given_back = (before.attempt + 1, before.given_back) if before else (1, 0)
        run.leases[entry_id] = _Lease(worker, time.monotonic(), attempt, given_back)
        return Claim(entry_id, EpisodeSpec.FromString(run.work[entry_id]), attempt, given_back)

    async def renew(self, run_id: str, worker: str, entry_ids: Sequence[str]) -> list[str]:
        return self._set_since(run_id, worker, entry_ids, time.monotonic(), 0)

    async def release(
        self, run_id: str, worker: str, entry_ids: Sequence[str], *, failed: bool = False
    ) -> None:
        self._set_since(run_id, worker, entry_ids, _FOREVER_IDLE, 0 if failed else 1)
        await self._notify()

    def _set_since(
        self, run_id: str, worker: str, entry_ids: Sequence[str], since: float, given_back: int
    ) -> list[str]:
        lost = []
        for entry_id in entry_ids:
            lease = self._runs[run_id].leases.get(entry_id)
            if lease and lease.worker == worker:
                if lease.since != _FOREVER_IDLE:
                    lease.given_back += given_back
                lease.since = since
            else:
                lost.append(entry_id)
        return lost

    async def commit(self, run_id: str, worker: str, played: Played) -> bool:
        return (await self.commit_many(run_id, worker, [played]))[0]

    async def commit_many(self, run_id: str, worker: str, played: Sequence[Played]) -> list[bool]:
        named = [to_keep(one) for one in played]
        added = [self._commit(self._runs[run_id], *pair) for pair in zip(played, named, strict=True)]
        await self._notify()
        return added

    def _commit(self, run: _Run, played: Played, digests: list[str]) -> bool:
        run.work.pop(played.claim.entry_id, None)
        run.added.pop(played.claim.entry_id, None)
        run.leases.pop(played.claim.entry_id, None)
        episode = played.claim.spec.episode_id
        if episode in run.committed:
            return False
        run.committed.add(episode)
        entry_id = next(self._ids)
        run.trajectories[entry_id] = played.trajectory.SerializeToString()
        run.named[entry_id] = digests
        run.references.update(digests)
        for digest in digests:
            run.blobs.setdefault(digest, played.blobs[digest])
        return True

    async def recover(self, run_id: str) -> int:
        run = self._runs[run_id]
        run.delivered.clear()
        return len(run.trajectories)

    async def collect(self, run_id: str, count: int, block_seconds: float) -> list[Collected]:
        return await self._wait(lambda: self._collect(self._runs[run_id], count), block_seconds)

    def _collect(self, run: _Run, count: int) -> list[Collected]:
        fresh = (entry for entry in run.trajectories if entry not in run.delivered)
        chosen = list(islice(fresh, count))
        run.delivered.update(chosen)
        found = [(entry, self._collected(run, entry)) for entry in chosen]
        for entry_id, item in found:
            if item is None:
                self._take_out(run, entry_id)
        return [item for _, item in found if item]

    def _collected(self, run: _Run, entry_id: str) -> Collected | None:
        """None where an image is lost."""
        digests = run.named.get(entry_id, ())
        if not run.blobs.keys() >= set(digests):
            return None
        blobs = {digest: run.blobs[digest] for digest in digests}
        return Collected(entry_id, Trajectory.FromString(run.trajectories[entry_id]), blobs)

    def _take_out(self, run: _Run, entry_id: str) -> None:
        episode = Trajectory.FromString(run.trajectories[entry_id]).spec.episode_id
        log.warning("the queue lost an image of episode %s, which is to be played again", episode)
        run.planned.discard(episode)
        run.committed.discard(episode)
        self._forget(run, entry_id)

    def _forget(self, run: _Run, entry_id: str) -> None:
        """The entry, and the images that no other names."""
        run.trajectories.pop(entry_id, None)
        run.delivered.discard(entry_id)
        for digest in run.named.pop(entry_id, ()):
            run.references[digest] -= 1
            if not run.references[digest]:
                del run.references[digest]
                run.blobs.pop(digest, None)

    async def acknowledge(self, run_id: str, entry_ids: Sequence[str]) -> None:
        for entry_id in entry_ids:
            self._forget(self._runs[run_id], entry_id)

    async def backlog(self, run_id: str) -> Backlog:
        run = self._runs[run_id]
        claimed, delivered = len(run.leases), len(run.delivered)
        oldest = time.monotonic() - min(run.added.values()) if run.added else 0.0
        return Backlog(len(run.work) - claimed, claimed, len(run.trajectories) - delivered, delivered, oldest)

    async def footprint(self) -> Footprint:
        """Of a process's own memory nothing is known."""
        return Footprint()

    async def drop(self, run_id: str) -> None:
        """What is committed to the run afterwards lives as long as the queue."""
        self._runs.pop(run_id, None)

    async def activate(self, lane: str, run_id: str) -> None:
        self._active[lane] = run_id

    async def deactivate(self, lane: str, run_id: str) -> None:
        if self._active.get(lane) == run_id:
            del self._active[lane]

    async def active_run(self, lane: str) -> str | None:
        return self._active.get(lane)

    async def announce(self, lane: str, weights: Weights) -> None:
        self._weights[lane] = weights
        await self._notify()

    async def weights(self, lane: str) -> Weights | None:
        return self._weights.get(lane)

    async def watch_weights(self, lane: str, seen: Weights | None, block_seconds: float) -> Weights | None:
        def changed() -> Weights | None:
            present = self._weights.get(lane)
            return None if present == seen else present

        return await self._wait(changed, block_seconds)

    async def close(self) -> None:
        """Nothing to close: other holders of a named queue go on."""

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, look: Callable[[], T], block_seconds: float) -> T:
        """Looks until something is found or the time is over; also when the next lease may end."""
        deadline = time.monotonic() + block_seconds
        async with self._changed:
            while not (found := look()) and (left := deadline - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, self._lease_seconds / 4)):
                        await self._changed.wait()
        return found


_named: dict[str, MemoryQueue] = {}


def named(url: str, lease_seconds: float) -> MemoryQueue:
    """The process's queue of this url; made at the first call."""
    return _named.setdefault(url, MemoryQueue(lease_seconds))
