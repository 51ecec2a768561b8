"""The client of one environment service: steps of all sessions over one stream, the rest in batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.types.v1.types_pb2 import Image
from farfield_kernel.batching import Batcher, by_key
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import PluginFailure, Unavailable, error_of, translated
from farfield_rollout.exchange import Exchange

_Created = tuple[pb.Started, pb.EnvironmentRef]
_Step = tuple[pb.Action, frozenset[str]]
_New = tuple[pb.EnvironmentRef, pb.NewSession, frozenset[str]]
_Past = tuple[pb.EnvironmentRef, pb.History, frozenset[str]]


class EnvironmentClient:
    def __init__(self, config: ClientConfig) -> None:
        self.sessions: set[str] = set()
        """Those that this worker has here."""
        self._channel = channel(config)
        self._timeout = config.timeout_seconds
        self._stub: Any = environment_pb2_grpc.EnvironmentServiceStub(self._channel)
        self._turns: dict[str, int] = {}
        """Of each session that is stepped, the turn under way."""
        self._steps = Exchange[_Step, pb.Outcome](
            self._stub.Rollout, _pack, self._outcomes, config.timeout_seconds
        )
        self._created = Batcher[_New, _Created](self._send_new)
        self._restored = Batcher[_Past, pb.RestoreResult](self._send_past)
        self._closed = Batcher[str, None](self._send_close)

    @property
    def load(self) -> int:
        return len(self.sessions)

    async def create(
        self, environment: pb.EnvironmentRef, new: pb.NewSession, known: frozenset[str]
    ) -> _Created:
        """The start, and the environment as resolved."""
        with self._holding(new.session_id):
            return await self._created.call((environment, new, known))

    async def step(self, action: pb.Action, known: frozenset[str]) -> pb.Outcome:
        key = action.session_id, action.turn
        self._turns[action.session_id] = action.turn
        try:
            return await self._steps.call(key, (action, known), action.ByteSize())
        finally:
            self._turns.pop(action.session_id, None)

    async def restore(
        self, environment: pb.EnvironmentRef, history: pb.History, known: frozenset[str]
    ) -> pb.RestoreResult:
        with self._holding(history.session_id):
            return await self._restored.call((environment, history, known))

    def discard(self, session_id: str) -> None:
        """Closes a session without waiting: one that stays open is freed by its lease."""
        self.sessions.discard(session_id)
        self._closed.submit(session_id)

    async def close_session(self, session_id: str) -> None:
        self.sessions.discard(session_id)
        await self._closed.call(session_id)

    async def renew(self) -> None:
        """Extends the leases of all sessions. Those that are lost show at their next step."""
        if self.sessions:
            async with translated():
                await self._stub.RenewLeases(pb.RenewLeasesRequest(session_ids=self.sessions))

    async def images(self, digests: list[str]) -> list[Image]:
        async with translated():
            answers = self._stub.GetBlobs(pb.GetBlobsRequest(sha256=digests), timeout=self._timeout)
            return [answer.image async for answer in answers]

    async def close(self) -> None:
        await self._closed.flush()
        await self._steps.close()
        await self._channel.close()

    @contextmanager
    def _holding(self, session_id: str) -> Iterator[None]:
        """Counts a session from the moment on that it is asked for, so that many at once are spread."""
        self.sessions.add(session_id)
        try:
            yield
        except BaseException:
            self.sessions.discard(session_id)
            raise

    def _outcomes(
        self, answer: pb.RolloutResponse
    ) -> Iterator[tuple[tuple[str, int | None], pb.Outcome | Exception]]:
        for result in answer.results:
            session_id = result.session_id
            if result.WhichOneof("result") != "error":
                yield (session_id, result.outcome.turn), result.outcome
                continue
            turn = result.turn if result.HasField("turn") else self._turns.get(session_id)
            yield (session_id, turn), error_of(result.error)

    async def _send_new(self, items: list[_New]) -> list[_Created | Exception]:
        return await by_key(items, lambda item: _bytes(item[0]), self._create)

    async def _create(self, items: list[_New]) -> list[_Created | Exception]:
        """All or nothing: where a batch fails, its items are tried one by one, so that each gets its
        own answer. A service that is away is asked once."""
        request = pb.CreateSessionsRequest(
            environment=items[0][0], sessions=[new for _, new, _ in items], known_blobs=_all(items)
        )
        try:
            async with translated():
                answer = await self._stub.CreateSessions(request)
        except Unavailable:
            raise
        except Exception:
            if len(items) == 1:
                raise
            return await by_key(items, lambda item: item[1].session_id, self._create)
        return [(started, answer.environment) for started in answer.sessions]

    async def _send_past(self, items: list[_Past]) -> list[pb.RestoreResult | Exception]:
        return await by_key(items, lambda item: _bytes(item[0]), self._restore)

    async def _restore(self, items: list[_Past]) -> list[pb.RestoreResult | Exception]:
        request = pb.RestoreSessionsRequest(
            environment=items[0][0], sessions=[history for _, history, _ in items], known_blobs=_all(items)
        )
        async with translated():
            answer = await self._stub.RestoreSessions(request)
        by_id = {result.session_id: result for result in answer.results}
        return [_restored(by_id.get(history.session_id)) for _, history, _ in items]

    async def _send_close(self, session_ids: list[str]) -> list[None]:
        async with translated():
            await self._stub.CloseSessions(pb.CloseSessionsRequest(session_ids=session_ids))
        return [None] * len(session_ids)


def _pack(steps: list[_Step]) -> pb.RolloutRequest:
    known = frozenset[str]().union(*(known for _, known in steps))
    return pb.RolloutRequest(actions=[action for action, _ in steps], known_blobs=known)


def _all(items: list[Any]) -> frozenset[str]:
    return frozenset[str]().union(*(known for _, _, known in items))


def _bytes(environment: pb.EnvironmentRef) -> bytes:
    return environment.SerializeToString(deterministic=True)


def _restored(result: pb.RestoreResult | None) -> pb.RestoreResult | Exception:
    if result is None:
        return PluginFailure("the environment left the session out of its answer")
    return error_of(result.error) if result.WhichOneof("result") == "error" else result
