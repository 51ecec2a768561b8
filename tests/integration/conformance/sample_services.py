"""Services that host sample plugins, and one for each way to break the wire's rules."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sample_games import Sums, SumVerifier

from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_conformance.catalog import checks
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.run import Result, result_of
from farfield_conformance.verifier import attempts
from farfield_conformance.verifier.subject import VerifierSubject
from farfield_conformance.wire import channel
from farfield_environment import service as environment_service
from farfield_environment.config import EnvironmentConfig
from farfield_kernel.errors import Exhausted, FailedPrecondition, NotFound, PluginFailure
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.server import Mount, running
from farfield_verifier import service as verifier_service
from farfield_verifier.config import VerifierConfig

Wrap = Callable[[Any], Any]


@asynccontextmanager
async def serving(game: type, verifier: type, wrap: Wrap, **config: object):
    """Both services at one address."""
    games = Loaded("farfield.environments", {"sums": Plugin(game, "samples==1")}, {})
    judges = Loaded("farfield.verifiers", {"sums": Plugin(verifier, "samples==1")}, {})
    async with (
        environment_service.assembled(EnvironmentConfig.model_validate(config), games) as environment,
        verifier_service.assembled(VerifierConfig(verify_timeout_seconds=2), judges) as judge,
        running([_wrapped(environment.mount, wrap), _wrapped(judge.mount, wrap)]) as address,
    ):
        reaper = asyncio.ensure_future(environment.sessions.reap_forever())
        yield address
        reaper.cancel()


def _wrapped(mount: Mount, wrap: Wrap) -> Mount:
    return replace(mount, servicer=wrap(mount.servicer))


@contextmanager
def in_background(make: Callable[[], Any]) -> Iterator[str]:
    """What an asynchronous context gives, on a thread with a loop of its own."""
    ready, stop, addresses = threading.Event(), threading.Event(), []

    async def main() -> None:
        async with make() as address:
            addresses.append(address)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield addresses[0]
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True)
class Pair:
    environment: EnvironmentSubject
    verifier: VerifierSubject


@contextmanager
def sample(
    game: type = Sums, verifier: type = SumVerifier, wrap: Wrap = lambda servicer: servicer, **config: object
) -> Iterator[Pair]:
    """Subjects at a service in this process."""

    @contextmanager
    def another(settings: Any) -> Iterator[EnvironmentSubject]:
        with sample(game, verifier, wrap, **{**config, **settings}) as pair:
            yield pair.environment

    with ExitStack() as stack:
        address = stack.enter_context(in_background(lambda: serving(game, verifier, wrap, **config)))
        opened = stack.enter_context(channel(address))
        environment = EnvironmentSubject(
            "sums", EnvironmentServiceStub(opened), plugin=game, another=another, pid=os.getpid()
        )
        judge = VerifierSubject("sums", VerifierServiceStub(opened), plugin=verifier)
        judge.source = lambda: attempts.of_environment(environment)
        environment.verifier = judge
        yield Pair(environment, judge)


def result(pair: Pair, name: str) -> Result:
    """Of the check of that name, e.g. `environment/wire/a-gap-is-refused`."""
    kind = name.partition("/")[0]
    (check,) = [one for one in checks(kind) if one.id == name]
    return result_of(check, pair.environment if kind == "environment" else pair.verifier, {})


class Broken:
    """Passes every call on; its subclasses change one thing."""

    def __init__(self, servicer: Any) -> None:
        self._servicer = servicer
        self.first: dict[tuple[str, int], str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._servicer, name)


class Anew(Broken):
    """Answers a duplicate as if it were new."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        for one in response.results:
            if one.outcome.replayed:
                one.outcome.replayed = False
                one.outcome.digest = os.urandom(32).hex()
        return response


class Forgiving(Broken):
    """Takes a gap for a slip."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        for action in request.actions:
            action.turn = 0
        return await self._servicer.Step(request, context)


class Endless(Broken):
    """After the end it goes on with the last outcome."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        for one in response.results:
            if one.error.code == FailedPrecondition.code:
                one.outcome.success = False
        return response


class Deaf(Broken):
    """Does not notice that a turn comes with another response."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        for action in request.actions:
            action.response = self.first.setdefault((action.session_id, action.turn), action.response)
        return await self._servicer.Step(request, context)


class Vague(Broken):
    """Knows one code for everything."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        for one in response.results:
            if one.HasField("error"):
                one.error.code = PluginFailure.code
        return response


class Reversed(Broken):
    """Gives results as they please."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        return pb.StepResponse(results=list(response.results)[::-1])


class Collective(Broken):
    """One bad item fails all."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        if any(one.HasField("error") for one in response.results):
            raise NotFound("one of them")
        return response


class Clingy(Broken):
    """Ends a session whose caller left."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            ids = [action.session_id for action in request.actions]
            await self._servicer.CloseSessions(pb.CloseSessionsRequest(session_ids=ids), context)
            raise
        return await self._servicer.Step(request, context)


class Trusting(Broken):
    """Restores whatever history it is given."""

    async def RestoreSessions(self, request: Any, context: Any) -> pb.RestoreSessionsResponse:
        for history in request.sessions:
            history.digest = ""
        return await self._servicer.RestoreSessions(request, context)


class Strict(Broken):
    """Closing what is closed is an error."""

    async def CloseSessions(self, request: Any, context: Any) -> pb.CloseSessionsResponse:
        response = await self._servicer.CloseSessions(request, context)
        if response.closed < len(request.session_ids):
            raise NotFound("no such session")
        return response


class Wasteful(Broken):
    """Sends images again and again."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        request.known_blobs.clear()
        return await self._servicer.CreateSessions(request, context)


class Careless(Broken):
    """Creates a session that exists anew."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        ids = [one.session_id for one in request.sessions]
        await self._servicer.CloseSessions(pb.CloseSessionsRequest(session_ids=ids), context)
        return await self._servicer.CreateSessions(request, context)


class Lossy(Broken):
    """Its stream loses a result."""

    async def Rollout(self, requests: Any, context: Any):
        async for response in self._servicer.Rollout(requests, context):
            yield pb.RolloutResponse(results=list(response.results)[1:])


class Immortal(Broken):
    """Renews leases that ran out."""

    async def RenewLeases(self, request: Any, context: Any) -> pb.RenewLeasesResponse:
        return pb.RenewLeasesResponse(lease_seconds=1)


class Blank(Broken):
    """Has no digests to speak of."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        response = await self._servicer.Step(request, context)
        for one in response.results:
            one.outcome.digest = "0" * 64
        return response


class Silent(Broken):
    """Does not tell what it made of a reference."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        response = await self._servicer.CreateSessions(request, context)
        response.environment.CopyFrom(request.environment)
        return response


class Stubborn(Broken):
    """A session that is alive stays as it is."""

    async def RestoreSessions(self, request: Any, context: Any) -> pb.RestoreSessionsResponse:
        ids = [one.session_id for one in request.sessions]
        lost = (await self._servicer.RenewLeases(pb.RenewLeasesRequest(session_ids=ids), context)).lost
        asked = [one for one in request.sessions if one.session_id in lost]
        if len(asked) == len(request.sessions):
            return await self._servicer.RestoreSessions(request, context)
        started = pb.Started(session_id=ids[0], digest=request.sessions[0].digest)
        return pb.RestoreSessionsResponse(results=[pb.RestoreResult(session_id=ids[0], started=started)])


class Brusque(Broken):
    """Is full, and says no more."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        try:
            return await self._servicer.CreateSessions(request, context)
        except Exhausted as error:
            raise Exhausted(str(error)) from None


class Lax(Broken):
    """Takes a negative seed for its amount."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        for one in request.sessions:
            one.seed = abs(one.seed)
        return await self._servicer.CreateSessions(request, context)


class Cropping(Broken):
    """Cuts a response that is too long."""

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        for action in request.actions:
            action.response = action.response[: 1024 * 1024]
        return await self._servicer.Step(request, context)


class Obliging(Broken):
    """Demonstrates in its own style, whatever the style that was asked for."""

    async def Demonstrate(self, request: Any, context: Any):
        request.style = "plain"
        async for one in self._servicer.Demonstrate(request, context):
            yield one


class Accommodating(Broken):
    """A verifier service that judges by another verifier where it does not have the one named."""

    async def Verify(self, request: Any, context: Any) -> Any:
        request.plan.leaf.verifier = "sums"
        return await self._servicer.Verify(request, context)


class Shuffling(Broken):
    """A verifier service that gives results as they please."""

    async def Verify(self, request: Any, context: Any) -> Any:
        response = await self._servicer.Verify(request, context)
        return type(response)(results=list(response.results)[::-1])


class Guessing(Broken):
    """Plays the default where a variant is unknown."""

    async def CreateSessions(self, request: Any, context: Any) -> pb.CreateSessionsResponse:
        if request.environment.variant not in ("", "id", "ood"):
            request.environment.variant = ""
        return await self._servicer.CreateSessions(request, context)


def broken_services() -> Sequence[tuple[type[Broken], str]]:
    """Each with the check that is meant for it."""
    return [
        (Anew, "environment/wire/a-duplicate-gets-the-stored-answer"),
        (Anew, "environment/wire/duplicates-at-once-apply-once"),
        (Forgiving, "environment/wire/a-gap-is-refused"),
        (Endless, "environment/wire/nothing-follows-the-end"),
        (Deaf, "environment/wire/another-response-is-aborted"),
        (Vague, "environment/wire/unknown-names-are-not-found"),
        (Blank, "environment/semantics/digests-tell-histories-apart"),
        (Silent, "environment/static/references-are-resolved"),
        (Stubborn, "environment/wire/a-start-is-restored"),
        (Brusque, "environment/wire/a-full-service-says-when-to-come-back"),
        (Lax, "environment/wire/malformed-requests-are-refused"),
        (Cropping, "environment/api/a-response-too-long-leaves-the-turn-open"),
        (Obliging, "environment/wire/unknown-demonstrations-are-refused"),
        (Accommodating, "verifier/wire/plans-that-cannot-be-resolved-are-refused"),
        (Shuffling, "verifier/wire/results-keep-their-order"),
        (Guessing, "environment/wire/unknown-names-are-not-found"),
        (Reversed, "environment/wire/a-batch-equals-single-steps"),
        (Collective, "environment/wire/a-batch-equals-single-steps"),
        (Clingy, "environment/wire/a-cancelled-call-leaves-the-session-usable"),
        (Trusting, "environment/wire/sessions-are-restored"),
        (Strict, "environment/wire/closing-is-idempotent"),
        (Wasteful, "environment/wire/known-images-are-left-out"),
        (Careless, "environment/wire/creation-is-idempotent"),
        (Lossy, "environment/wire/a-stream-equals-single-steps"),
        (Immortal, "environment/wire/leases-end-and-are-renewed"),
    ]
