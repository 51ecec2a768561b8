"""The environment and the verifier as a person's commands call them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_cli.stack import record
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.stack import running
from farfield_cli.terminal import say
from farfield_cli.ways import way_to, ways_of
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import NotFound, error_of, translated
from farfield_kernel.wire import struct_from


class Services:
    """The pair that plays: one decides what happens, the other what it is worth."""

    def __init__(
        self, environment: EnvironmentServiceStub, verifier: VerifierServiceStub, timeout_seconds: float
    ) -> None:
        """`timeout_seconds`: for all the images of some messages."""
        self._environment, self._verifier, self._timeout = environment, verifier, timeout_seconds

    @classmethod
    @asynccontextmanager
    async def at(
        cls, environment: str | ClientConfig, verifier: str | ClientConfig
    ) -> AsyncIterator["Services"]:
        way = way_to(environment)
        async with channel(way) as to_environment, channel(way_to(verifier)) as to_verifier:
            stubs = EnvironmentServiceStub(to_environment), VerifierServiceStub(to_verifier)
            yield cls(*stubs, way.timeout_seconds)

    async def environments(self) -> env.DescribeResponse:
        async with translated():
            return await self._environment.Describe(env.DescribeRequest())

    async def environment(self, name: str) -> env.EnvironmentInfo:
        hosted = (await self.environments()).environments
        for one in hosted:
            if one.name == name:
                return one
        raise NotFound(f"no environment '{name}'; hosted: {', '.join(one.name for one in hosted) or 'none'}")

    async def verifiers(self) -> ver.DescribeResponse:
        async with translated():
            return await self._verifier.Describe(ver.DescribeRequest())

    async def create(self, ref: env.EnvironmentRef, session_id: str, seed: int) -> env.Started:
        request = env.CreateSessionsRequest(
            environment=ref, sessions=[env.NewSession(session_id=session_id, seed=seed)]
        )
        async with translated():
            return (await self._environment.CreateSessions(request)).sessions[0]

    async def fill(self, messages: Iterable[types_pb2.Message]) -> None:
        """Fetches the images that were sent by digest alone."""
        images = [
            part.image
            for message in messages
            for part in message.parts
            if part.WhichOneof("kind") == "image" and not part.image.data
        ]
        if not images:
            return
        request = env.GetBlobsRequest(sha256=sorted({image.sha256 for image in images}))
        async with translated():
            answers = self._environment.GetBlobs(request, timeout=self._timeout)
            found = {answer.image.sha256: answer.image.data async for answer in answers}
        for image in images:
            image.data = found[image.sha256]

    async def step(self, session_id: str, turn: int, response: str) -> env.Outcome:
        action = env.Action(session_id=session_id, turn=turn, response=response)
        async with translated():
            result = (await self._environment.Step(env.StepRequest(actions=[action]))).results[0]
        if result.HasField("error"):
            raise error_of(result.error)
        return result.outcome

    async def verify(self, plan: ver.RewardPlan, attempt: ver.Attempt) -> types_pb2.Verdict:
        async with translated():
            answer = await self._verifier.Verify(ver.VerifyRequest(plan=plan, attempts=[attempt]))
        result = answer.results[0]
        if result.HasField("error"):
            raise error_of(result.error)
        return result.verdict

    async def verify_plan(self, plan: ver.RewardPlan) -> None:
        """Whether the verifier can play by this plan; its error says why not."""
        async with translated():
            await self._verifier.Verify(ver.VerifyRequest(plan=plan))

    async def close(self, session_id: str) -> None:
        async with translated():
            await self._environment.CloseSessions(env.CloseSessionsRequest(session_ids=[session_id]))


@asynccontextmanager
async def services(state: Path) -> AsyncIterator[Services]:
    """Those of the stack that is up; where none is, a pair started for as long as it is needed."""
    found = record.read(state)
    if found:
        way = ways_of(found)
        async with Services.at(way(found.environment), way(found.verifier)) as both:
            yield both
        return
    say("no stack is up: starting an environment and a verifier …")
    async with (
        running(StackOptions(state=state)) as stack,
        Services.at(stack.plan.environment, stack.plan.verifier) as both,
    ):
        yield both


def environment_ref(name: str, variant: str, options: Mapping[str, Any]) -> env.EnvironmentRef:
    return env.EnvironmentRef(name=name, variant=variant, options=struct_from(options))


def leaf_plan(verifier: str, options: Mapping[str, Any]) -> ver.RewardPlan:
    return ver.RewardPlan(leaf=ver.Leaf(verifier=verifier, options=struct_from(options)))
