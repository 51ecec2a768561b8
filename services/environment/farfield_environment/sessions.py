"""All sessions under their leases: created from seeds, stepped once per turn, rebuilt by replay.

Calls are made on one event loop; what an inline plugin does happens within the call.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_environment.blobs import Blobs
from farfield_environment.catalog import Resolved
from farfield_environment.cohorts import SeatLost
from farfield_environment.config import EnvironmentConfig
from farfield_environment.seats import Seats
from farfield_environment.session import Session, fingerprint
from farfield_kernel import traces
from farfield_kernel.errors import (
    Conflict,
    DataLoss,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)

log = logging.getLogger(__name__)

LONGEST_ID = 128
RETRY_AFTER_SECONDS = 1.0
REAPINGS_PER_LEASE = 4
SHARE = 32
"""Inline starts after which other calls get their turn."""


class Sessions:
    def __init__(
        self, config: EnvironmentConfig, seats: Seats, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.blobs = Blobs()
        self._config, self._seats, self._clock = config, seats, clock
        self._sessions: dict[str, Session] = {}
        self._restoring = 0
        self._draining = False
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sessions)

    async def drain(self) -> None:
        """From now on no session is created or restored; those alive go on. Returns when none is left."""
        self._draining = True
        if self._sessions:
            await self._emptied.wait()

    async def create(self, resolved: Resolved, wanted: Sequence[tuple[str, int]]) -> list[Session]:
        """A session for each (id, seed), all or none."""
        self._check_open()
        check_identities(wanted)
        new = [pair for pair in wanted if not self._exists_untouched(*pair, resolved)]
        self._check_room(len(new))
        made = [self._new(session_id, seed, resolved) for session_id, seed in new]
        for session in made:
            self._add(session).expires = math.inf  # the last of them may take longer than a lease
        try:
            await self._start_all(made)
        except BaseException:
            self.close([session.id for session in made])
            raise
        for session in made:
            self._touch(session)
        return [self._sessions[session_id] for session_id, _ in wanted]

    def step(self, session_id: str, turn: int, response: str) -> pb.Outcome | Awaitable[pb.Outcome]:
        """The outcome; inline plugins answer at once, others with an awaitable that may be dropped
        without harm: the step goes on."""
        session = self._sessions.get(session_id)
        if session is None or not session.ready:
            raise NotFound(
                f"no session '{session_id}': it was never created, its lease ran out, or its host was lost; "
                "create it, or restore it from its history"
            )
        session.expires = self._clock() + self._config.lease_seconds
        encoded = self._encode(response)
        action = fingerprint(encoded)
        if turn != session.turn or session.ended or session.running or session.failure:
            session.check_next(turn, action)
            session.resolved.hosted.meters.replays.inc()
            return session.again() if session.running else session.replay()
        session.action = action
        if session.inline:
            return self._step_now(session, response)
        session.running = asyncio.create_task(self._step_later(session, response))
        return asyncio.shield(session.running)

    async def restore(
        self, resolved: Resolved, session_id: str, seed: int, responses: Sequence[str], digest: str
    ) -> Session:
        """The session after its history. It takes the place of one that has its id."""
        self._check_open()
        check_identities([(session_id, seed)])
        present = self._sessions.get(session_id)
        if present and digest and present.is_after(len(responses), digest):
            return self._touch(present)
        self._check_room(0 if present else 1)
        session = self._new(session_id, seed, resolved)
        self._restoring += 1
        try:
            await self._replay(session, responses, digest)
        except BaseException as error:
            resolved.hosted.meters.restore_failed.inc()
            session.close(self.blobs)
            if isinstance(error, SeatLost):
                raise Unavailable(f"while it was replayed, {error}") from error
            raise
        finally:
            self._restoring -= 1
        self.close([session_id])
        self._add(session)
        resolved.hosted.meters.restored.inc()
        return session

    def renew(self, session_ids: Iterable[str]) -> list[str]:
        """Extends leases; the ids that are not alive."""
        lost = []
        for session_id in session_ids:
            if session_id in self._sessions:
                self._touch(self._sessions[session_id])
            else:
                lost.append(session_id)
        return lost

    def close(self, session_ids: Iterable[str]) -> int:
        """Frees those that exist."""
        closed = 0
        for session_id in session_ids:
            session = self._sessions.pop(session_id, None)
            if session:
                session.close(self.blobs)
                session.resolved.hosted.meters.sessions.dec()
                closed += 1
        if self._draining and not self._sessions:
            self._emptied.set()
        return closed

    def reap(self) -> int:
        """Frees the sessions whose lease ran out."""
        now = self._clock()
        expired = [s for s in self._sessions.values() if s.expires < now and s.ready and not s.running]
        for session in expired:
            log.info("lease of session %s ran out", session.id, extra=traces.of(session.id))
            session.resolved.hosted.meters.expired.inc()
        return self.close([session.id for session in expired])

    async def reap_forever(self) -> None:
        while True:
            await asyncio.sleep(self._config.lease_seconds / REAPINGS_PER_LEASE)
            self.reap()

    def _check_open(self) -> None:
        if self._draining:
            raise Unavailable("this service is draining: create or restore sessions on another one")

    def _check_room(self, count: int) -> None:
        most = self._config.max_sessions
        free = max(most - len(self._sessions) - self._restoring, 0)
        if count > free:
            raise Exhausted(
                f"room for {free} more sessions, not for {count}: {most} may live here at once",
                retry_after=RETRY_AFTER_SECONDS,
            )

    def _exists_untouched(self, session_id: str, seed: int, resolved: Resolved) -> bool:
        """Whether that very session is here and may be answered again. One that failed gives way."""
        session = self._sessions.get(session_id)
        if session is None or session.failure:
            self.close([session_id])
            return False
        if not session.ready:
            raise Unavailable(f"session '{session_id}' is being created by another call: try again")
        if session.seed != seed or not session.resolved.same_as(resolved):
            raise Conflict(f"session '{session_id}' exists with another environment or seed: take another id")
        if session.turn or session.running:
            raise Conflict(f"session '{session_id}' exists and was stepped: close it, or take another id")
        self._touch(session)
        return True

    def _new(self, session_id: str, seed: int, resolved: Resolved) -> Session:
        try:
            return Session(session_id, seed, resolved, self._seats.seat(resolved))
        except BaseException as error:  # an inline plugin's constructor
            raise resolved.hosted.failed(error, "__init__", traces.of(session_id)) from error

    def _add(self, session: Session) -> Session:
        self._sessions[session.id] = self._touch(session)
        session.resolved.hosted.meters.sessions.inc()
        return session

    def _touch(self, session: Session) -> Session:
        session.expires = self._clock() + self._config.lease_seconds
        return session

    def _encode(self, response: str) -> bytes:
        encoded = response.encode()
        if len(encoded) > self._config.max_response_bytes:
            raise InvalidArgument(
                f"a response of {len(encoded)} bytes; at most {self._config.max_response_bytes} are taken: "
                "the turn is still open, answer it with a shorter one"
            )
        return encoded

    async def _start_all(self, sessions: list[Session]) -> None:
        if sessions and sessions[0].inline:
            for number, session in enumerate(sessions, 1):
                await self._start(session)
                if number % SHARE == 0:
                    await asyncio.sleep(0)
            return
        results = await asyncio.gather(*map(self._start, sessions), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _start(self, session: Session) -> None:
        began = self._clock()
        try:
            started = session.seat.start(session.seed)
            if not session.inline:
                started = await started
        except (asyncio.CancelledError, Unavailable):
            raise
        except BaseException as error:  # plugins may raise anything
            session.check_open("its start")
            raise session.fail(error, "reset") from error
        if session.inline:
            session.resolved.hosted.took(self._clock() - began)
        session.begin(started)
        self._show(session, started.observation)

    def _step_now(self, session: Session, response: str) -> pb.Outcome:
        began = self._clock()
        try:
            outcome = session.seat.step(response)
        except BaseException as error:  # plugins may raise anything
            raise session.fail(error, "step") from error
        return self._taken(session, outcome, began)

    async def _step_later(self, session: Session, response: str) -> pb.Outcome:
        began = self._clock()
        try:
            outcome = await session.seat.step(response)
        except SeatLost:
            if self._sessions.get(session.id) is session:
                self.close([session.id])
            raise
        except BaseException as error:
            session.check_open("its step")
            raise session.fail(error, "step") from error
        finally:
            session.running = None
        return self._taken(session, outcome, began)

    def _taken(self, session: Session, outcome: pb.Outcome, began: float) -> pb.Outcome:
        meters = session.resolved.hosted.meters
        now = self._clock()
        meters.seconds.observe(now - began)
        if session.inline:
            session.resolved.hosted.took(now - began)
        session.expires = now + self._config.lease_seconds
        session.take(outcome)
        self._show(session, outcome.observation)
        if session.ended and self._sessions.get(session.id) is session:  # a replay ends no episode
            meters.episodes[how_ended(outcome)].inc()
        return outcome

    def _show(self, session: Session, observation: pb.Observation) -> None:
        if session.visual and not session.closed:
            session.show(observation, self.blobs, self._config.inline_image_bytes)

    async def _replay(self, session: Session, responses: Sequence[str], digest: str) -> None:
        await self._start(session)
        for response in responses:
            if session.ended:
                raise FailedPrecondition(
                    f"the history of session '{session.id}' goes on after its end at turn {session.turn - 1}"
                )
            session.action = fingerprint(self._encode(response))
            if session.inline:
                self._step_now(session, response)
            else:
                await self._step_later(session, response)
        if digest and digest != session.digest:
            raise DataLoss(
                f"session '{session.id}' replays to another history (digest {session.digest}, not {digest}): "
                "environment, options or responses are not those that were played"
            )


def check_identities(wanted: Sequence[tuple[str, int]]) -> None:
    for session_id, seed in wanted:
        if not 1 <= len(session_id) <= LONGEST_ID:
            raise InvalidArgument(f"session_id has {len(session_id)} characters: it takes 1 to {LONGEST_ID}")
        if seed < 0:
            raise InvalidArgument(f"the seed of session '{session_id}' is {seed}: it takes 0 to 2^63 - 1")
    if len({session_id for session_id, _ in wanted}) < len(wanted):
        raise InvalidArgument("one request names a session id twice: every session has its own")


def how_ended(outcome: pb.Outcome) -> str:
    if outcome.state == types_pb2.STATE_TRUNCATED:
        return "truncated"
    return "success" if outcome.success else "failure"
