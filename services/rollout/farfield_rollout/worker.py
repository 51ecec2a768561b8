"""The worker: claims episodes of its lane's run, plays them side by side, and commits them."""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import TypeVar

from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_kernel import logs, traces
from farfield_kernel.batching import Batcher, by_key
from farfield_kernel.errors import Exhausted, Unavailable
from farfield_kernel.queue.contract import Claim, Played, Queue
from farfield_rollout import meters
from farfield_rollout.config import RolloutConfig
from farfield_rollout.episode import begun, fail, play, session_id_of
from farfield_rollout.services import Services

T = TypeVar("T")
log = logging.getLogger(__name__)

_RENEWALS_PER_LEASE = 3
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Playing:
    run_id: str
    claim: Claim
    task: asyncio.Task[None]


class Worker:
    def __init__(self, config: RolloutConfig, queue: Queue, services: Services) -> None:
        self.name = config.worker or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._config, self._queue, self._services = config, queue, services
        self._playing: dict[str, _Playing] = {}
        self._committing: set[str] = set()
        """Entries of those that are played: a commit may end its run before it is answered."""
        self._commits = Batcher[tuple[str, Played], bool](self._send_commits, in_flight=1)
        self._freed = asyncio.Event()
        self._draining = False
        self._claiming_over = asyncio.Event()
        meters.concurrency.set(config.concurrency)

    async def run(self) -> None:
        """Plays until it is drained; then waits to be cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claim_forever())
            group.create_task(self._services.follow())
            group.create_task(self._every(self._renew_claims))
            group.create_task(self._every(self._services.renew))

    async def drain(self) -> None:
        """Claims nothing more, gives the episodes at hand the time to finish, and the rest back."""
        self._draining = True
        self._freed.set()
        await self._claiming_over.wait()
        if tasks := [one.task for one in self._playing.values()]:
            await asyncio.wait(tasks, timeout=self._config.server.drain_seconds)
        await self._abandon(list(self._playing.values()), "drain")

    # Claiming

    async def _claim_forever(self) -> None:
        try:
            while not self._draining:
                try:
                    await self._claim_once()
                except (Unavailable, Exhausted) as error:
                    log.warning("%s", error)
                    await self._until_freed()
        finally:
            self._claiming_over.set()

    async def _claim_once(self) -> None:
        run_id = await self._queue.active_run(self._config.lane)
        others = [
            one
            for entry, one in self._playing.items()
            if one.run_id != run_id and entry not in self._committing
        ]
        await self._abandon(others, "run ended")
        room = self._config.concurrency - len(self._playing)
        if run_id and room:
            claims = await self._queue.claim(run_id, self.name, room, self._config.look_seconds)
            if self._draining:
                await self._queue.release(run_id, self.name, [claim.entry_id for claim in claims])
                return
            for claim in claims:
                self._begin(run_id, claim)
        else:
            await self._until_freed()

    async def _until_freed(self) -> None:
        """Until an episode ends, or it is time to look at the lane again."""
        if self._draining:
            return
        self._freed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.look_seconds):
                await self._freed.wait()

    def _begin(self, run_id: str, claim: Claim) -> None:
        task = asyncio.get_running_loop().create_task(self._play(run_id, claim), context=Context())
        self._playing[claim.entry_id] = _Playing(run_id, claim, task)
        meters.in_flight.set(len(self._playing))

    async def _every(self, renew: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._config.lease_seconds / _RENEWALS_PER_LEASE)
            await renew()

    async def _renew_claims(self) -> None:
        for run_id in {one.run_id for one in self._playing.values()}:
            entries = [entry for entry, one in self._playing.items() if one.run_id == run_id]
            try:
                lost = await self._queue.renew(run_id, self.name, entries)
            except (Unavailable, Exhausted) as error:
                log.warning("leases are not renewed: %s", error)
                continue
            self._stop(lost)

    def _stop(self, lost: Sequence[str]) -> None:
        """Episodes that others play now, or have committed."""
        for one in [self._playing[entry] for entry in lost if entry in self._playing]:
            log.warning("episode %s was taken over", one.claim.spec.episode_id)
            meters.abandoned.labels("taken over").inc()
            one.task.cancel()

    # Playing

    async def _play(self, run_id: str, claim: Claim) -> None:
        trace = traces.begun(session_id_of(claim.spec, claim.attempt))
        with logs.bound(run=run_id, episode=claim.spec.episode_id, attempt=str(claim.attempt), **trace):
            try:
                played = await self._played(claim)
                self._committing.add(claim.entry_id)
                await self._commit(run_id, played)
            except Exception:  # a bug of ours: others may play the episode, until its attempts are spent
                log.exception("episode %s broke the worker's loop", claim.spec.episode_id)
                meters.abandoned.labels("error").inc()
                entries = [claim.entry_id]
                await self._lasting(lambda: self._queue.release(run_id, self.name, entries, failed=True))
            finally:
                self._playing.pop(claim.entry_id, None)
                self._committing.discard(claim.entry_id)
                meters.in_flight.set(len(self._playing))
                self._freed.set()

    async def _played(self, claim: Claim) -> Played:
        lost = claim.attempt - 1 - claim.given_back
        if lost >= self._config.attempts:
            detail = f"started {lost} times and never finished: it may take its workers down"
            return Played(claim, fail(begun(claim, self.name), pb.FAILURE_ENVIRONMENT, detail))
        return await play(claim, self._services, self._config.retry, self.name)

    async def _commit(self, run_id: str, played: Played) -> None:
        with meters.timed("queue"):
            added = await self._lasting(lambda: self._commits.call((run_id, played)))
        if not added:
            meters.duplicates.inc()
            return
        trajectory = played.trajectory
        meters.episodes.labels(_outcome(trajectory), meters.purpose_name(trajectory.spec.purpose)).inc()
        if trajectory.failure:
            failure = meters.failure_name(trajectory.failure)
            meters.failures.labels(failure).inc()
            log.warning("episode failed (%s): %s", failure, trajectory.failure_detail)

    async def _send_commits(self, items: list[tuple[str, Played]]) -> list[bool | Exception]:
        async def send(group: list[tuple[str, Played]]) -> Sequence[bool]:
            return await self._queue.commit_many(group[0][0], self.name, [played for _, played in group])

        return await by_key(items, lambda item: item[0], send)

    async def _lasting(self, call: Callable[[], Awaitable[T]]) -> T:
        """Finished work is worth waiting for the queue, however long it is away."""
        while True:
            try:
                return await call()
            except (Unavailable, Exhausted) as error:
                log.warning("%s", error)
            await asyncio.sleep(_AGAIN_SECONDS)

    # Leaving

    async def _abandon(self, playing: Sequence[_Playing], reason: str) -> None:
        """Stops episodes and gives their claims back."""
        for one in playing:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in playing), return_exceptions=True)
        for run_id, entries in _entries_by_run(playing).items():
            meters.abandoned.labels(reason).inc(len(entries))
            try:
                await self._queue.release(run_id, self.name, entries)
            except (Unavailable, Exhausted) as error:
                log.warning("claims are left to their leases: %s", error)


def _entries_by_run(playing: Iterable[_Playing]) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    for one in playing:
        entries.setdefault(one.run_id, []).append(one.claim.entry_id)
    return entries


def _outcome(trajectory: pb.Trajectory) -> str:
    if trajectory.failure:
        return "failed"
    if trajectory.success:
        return "solved"
    return "truncated" if trajectory.end == types_pb2.STATE_TRUNCATED else "unsolved"
