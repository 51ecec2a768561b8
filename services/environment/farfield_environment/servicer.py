"""EnvironmentService: the contract's messages to the core and back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.types.v1 import types_pb2
from farfield_environment.catalog import Catalog
from farfield_environment.config import EnvironmentConfig
from farfield_environment.demonstrations import Demonstrations
from farfield_environment.messages import without
from farfield_environment.outbox import Outbox
from farfield_environment.sessions import Sessions
from farfield_kernel.errors import FarfieldError, Unavailable, status_of
from farfield_kernel.server import Mount

SHARE = 32
"""Inline steps after which other calls get their turn."""


class EnvironmentServicer(environment_pb2_grpc.EnvironmentServiceServicer):
    def __init__(
        self, config: EnvironmentConfig, catalog: Catalog, sessions: Sessions, demonstrations: Demonstrations
    ) -> None:
        self._config, self._catalog = config, catalog
        self._sessions, self._demonstrations = sessions, demonstrations
        self._ended = False
        self._streams: set[Outbox] = set()

    def end(self) -> None:
        """Ends the streams of steps, each when its last result is out."""
        self._ended = True
        for outbox in self._streams:
            outbox.close()

    async def Describe(self, request: pb.DescribeRequest, context: Any) -> pb.DescribeResponse:
        broken = self._catalog.broken.items()
        return pb.DescribeResponse(
            environments=[hosted.info for hosted in self._catalog.hosted.values()],
            broken=[types_pb2.BrokenPlugin(name=name, error=error) for name, error in broken],
            sessions=len(self._sessions),
            max_sessions=self._config.max_sessions,
            lease_seconds=self._config.lease_seconds,
        )

    async def CreateSessions(
        self, request: pb.CreateSessionsRequest, context: Any
    ) -> pb.CreateSessionsResponse:
        resolved = await self._catalog.resolve(request.environment)
        wanted = [(one.session_id, one.seed) for one in request.sessions]
        sessions = await self._sessions.create(resolved, wanted)
        known = frozenset(request.known_blobs)
        return pb.CreateSessionsResponse(
            sessions=[without(known, session.started) for session in sessions],
            environment=resolved.ref,
            lease_seconds=self._config.lease_seconds,
        )

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        known = frozenset(request.known_blobs)
        response = pb.StepResponse()
        pending = []
        for number, action in enumerate(request.actions):
            if number and number % SHARE == 0:
                await asyncio.sleep(0)
            result = response.results.add(session_id=action.session_id, turn=action.turn)
            if later := self._begin(result, action, known):
                pending.append(asyncio.ensure_future(_finish(result, later, known)))
        for one in pending:
            await one
        return response

    async def Rollout(
        self, requests: AsyncIterator[pb.RolloutRequest], context: Any
    ) -> AsyncIterator[pb.RolloutResponse]:
        if self._ended:
            raise Unavailable("this service is draining: restore the sessions on another one")
        outbox = Outbox()
        self._streams.add(outbox)
        reader = asyncio.ensure_future(self._read(requests, outbox))
        try:
            async for response in outbox:
                yield response
            if reader.done():  # else it was ended from here, while the caller's side is open
                await reader
        finally:
            self._streams.discard(outbox)
            reader.cancel()

    async def _read(self, requests: AsyncIterator[pb.RolloutRequest], outbox: Outbox) -> None:
        try:
            async for request in requests:
                known = frozenset(request.known_blobs)
                for action in request.actions:
                    result = outbox.add(action.session_id, action.turn)
                    if later := self._begin(result, action, known):
                        outbox.wait_for(_finish(outbox.take_back(), later, known))
                outbox.send()
                await outbox.room()
        finally:
            outbox.close()

    def _begin(
        self, result: pb.StepResult, action: pb.Action, known: frozenset[str]
    ) -> Awaitable[pb.Outcome] | None:
        """Steps, and fills the result in; where that takes time, gives the outcome to wait for instead."""
        try:
            outcome = self._sessions.step(action.session_id, action.turn, action.response)
        except FarfieldError as error:
            result.error.CopyFrom(status_of(error))
            return None
        if not isinstance(outcome, pb.Outcome):
            return outcome
        result.outcome.CopyFrom(without(known, outcome))
        return None

    async def RestoreSessions(
        self, request: pb.RestoreSessionsRequest, context: Any
    ) -> pb.RestoreSessionsResponse:
        resolved = await self._catalog.resolve(request.environment)
        known = frozenset(request.known_blobs)
        restoring = [self._restore(resolved, history, known) for history in request.sessions]
        return pb.RestoreSessionsResponse(results=await asyncio.gather(*restoring))

    async def _restore(self, resolved: Any, history: pb.History, known: frozenset[str]) -> pb.RestoreResult:
        try:
            session = await self._sessions.restore(
                resolved, history.session_id, history.seed, history.responses, history.digest
            )
        except FarfieldError as error:
            return pb.RestoreResult(session_id=history.session_id, error=status_of(error))
        if not session.turn:
            return pb.RestoreResult(session_id=session.id, started=without(known, session.started))
        return pb.RestoreResult(session_id=session.id, outcome=without(known, session.last))

    async def RenewLeases(self, request: pb.RenewLeasesRequest, context: Any) -> pb.RenewLeasesResponse:
        lost = self._sessions.renew(request.session_ids)
        return pb.RenewLeasesResponse(lost=lost, lease_seconds=self._config.lease_seconds)

    async def CloseSessions(self, request: pb.CloseSessionsRequest, context: Any) -> pb.CloseSessionsResponse:
        return pb.CloseSessionsResponse(closed=self._sessions.close(request.session_ids))

    async def GetBlobs(self, request: pb.GetBlobsRequest, context: Any) -> AsyncIterator[pb.GetBlobsResponse]:
        for image in [self._sessions.blobs.get(digest) for digest in request.sha256]:
            yield pb.GetBlobsResponse(image=image)

    async def Demonstrate(
        self, request: pb.DemonstrateRequest, context: Any
    ) -> AsyncIterator[pb.DemonstrateResponse]:
        resolved = await self._catalog.resolve(request.environment)
        async for one in self._demonstrations.stream(resolved, request.seed, request.count, request.style):
            yield one


async def _finish(
    result: pb.StepResult, outcome: Awaitable[pb.Outcome], known: frozenset[str]
) -> pb.StepResult:
    try:
        result.outcome.CopyFrom(without(known, await outcome))
    except FarfieldError as error:
        result.error.CopyFrom(status_of(error))
    return result


def mount(servicer: EnvironmentServicer, catalog: Catalog) -> Mount:
    """With a health name for each plugin: `environment/<name>`."""
    works = {f"environment/{name}": True for name in catalog.hosted}
    broken = {f"environment/{name}": False for name in catalog.broken}
    return Mount(
        pb.DESCRIPTOR.services_by_name["EnvironmentService"],
        environment_pb2_grpc.add_EnvironmentServiceServicer_to_server,
        servicer,
        {**works, **broken},
    )
