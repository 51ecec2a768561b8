"""The adapter behind our real services, and before our own facade: there and back again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_environment.catalog import GROUP as ENVIRONMENTS
from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import Service
from farfield_environment.service import assembled as environment_service
from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel import plugins
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.server import running
from farfield_kernel.wire import struct_from
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.config import FacadeConfig
from farfield_openenv.facade.server import Facade
from farfield_sdk import Attempt
from farfield_verifier.catalog import GROUP as VERIFIERS
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled as verifier_service

PLAN = ver.RewardPlan(leaf=ver.Leaf(verifier="openenv"))


class Played:
    """Both services with all plugins, and a facade before them."""

    def __init__(self, service: Service, environment: Any, verifier: Any, url: str) -> None:
        self.service, self.environment, self.verifier, self.url = service, environment, verifier, url

    async def create(self, seed: int, **options: Any) -> env.Started:
        given = struct_from({"url": self.url, "action_field": "response", "template": "{text}", **options})
        request = env.CreateSessionsRequest(
            environment=env.EnvironmentRef(name="openenv", options=given),
            sessions=[env.NewSession(session_id="a", seed=seed)],
        )
        return (await self.environment.CreateSessions(request)).sessions[0]

    async def step(self, turn: int, response: str) -> env.StepResult:
        action = env.Action(session_id="a", turn=turn, response=response)
        return (await self.environment.Step(env.StepRequest(actions=[action]))).results[0]

    async def grade(self, outcome: env.Outcome, facts: str) -> ver.VerifyResult:
        attempt = ver.Attempt(
            facts_json=facts, turn=outcome.turn, state=outcome.state, success=outcome.success
        )
        return (await self.verifier.Verify(ver.VerifyRequest(plan=PLAN, attempts=[attempt]))).results[0]


@asynccontextmanager
async def playing() -> AsyncIterator[Played]:
    async with (
        environment_service(EnvironmentConfig(), plugins.load(ENVIRONMENTS)) as played,
        verifier_service(VerifierConfig(), plugins.load(VERIFIERS)) as judged,
        running([played.mount]) as environment,
        running([judged.mount]) as verifier,
        channel(ClientConfig(address=environment)) as to_environment,
        channel(ClientConfig(address=verifier)) as to_verifier,
    ):
        given = {"name": "generalpoints", "port": 0, "environment": environment, "verifier": verifier}
        async with (
            Backend.connected(FacadeConfig.model_validate(given)) as backend,
            Facade(backend, await backend.describe()).serving() as port,
        ):
            stubs = EnvironmentServiceStub(to_environment), VerifierServiceStub(to_verifier)
            yield Played(played, *stubs, f"http://127.0.0.1:{port}")


async def test_rewards_come_through_as_the_original_gives_them() -> None:
    game = GeneralPoints(GeneralPoints.Options())
    facts = game.reset(5).facts
    judge = GeneralPointsVerifier(GeneralPointsVerifier.Options())
    async with playing() as both:
        started = await both.create(5)
        assert started.observation.messages[0].parts[0].text == game.reset(5).observation.messages[0].text
        assert started.facts_json == '{"malformed":false,"reward":null}'
        for turn, response in enumerate(["no idea", game.oracle()]):
            outcome = (await both.step(turn, response)).outcome
            verdict = (await both.grade(outcome, outcome.facts_json)).verdict
            expected = judge.verify(Attempt(response, facts, turn))
            assert (verdict.reward, verdict.correct) == (expected.reward, expected.correct)
        assert (outcome.state, outcome.success) == (types_pb2.STATE_TERMINATED, True)
        assert outcome.metrics["turn"] == 1


async def test_a_session_is_closed_on_both_sides() -> None:
    async with playing() as both:
        await both.create(1)
        assert len(both.service.sessions) == 2  # one of `openenv`, and one of `generalpoints` behind it
        await both.environment.CloseSessions(env.CloseSessionsRequest(session_ids=["a"]))
        while len(both.service.sessions):
            await both.environment.Describe(env.DescribeRequest())


async def test_a_session_is_restored_by_replay() -> None:
    async with playing() as both:
        await both.create(1)
        last = (await both.step(0, "no idea")).outcome
        await both.environment.CloseSessions(env.CloseSessionsRequest(session_ids=["a"]))
        history = env.History(session_id="a", seed=1, responses=["no idea"], digest=last.digest)
        ref = env.EnvironmentRef(
            name="openenv",
            options=struct_from({"url": both.url, "action_field": "response", "template": "{text}"}),
        )
        restored = await both.environment.RestoreSessions(
            env.RestoreSessionsRequest(environment=ref, sessions=[history])
        )
        assert restored.results[0].outcome.digest == last.digest


async def test_what_fails_over_there_is_an_error_and_no_reward() -> None:
    async with playing() as both:
        await both.create(1, action_field="message")
        failed = await both.step(0, "no idea")
        assert failed.WhichOneof("result") == "error"
        assert "no action made of 'message'" in failed.error.message
        ungraded = await both.grade(env.Outcome(), '{"malformed":false,"reward":null}')
        assert ungraded.WhichOneof("result") == "error"
        assert "option 'absent'" in ungraded.error.message
