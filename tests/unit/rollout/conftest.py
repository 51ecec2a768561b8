"""Small services that keep the contracts, with switches for what may go wrong, and a worker's view of them.

The environment `guess`: the answer is the seed's last digit; each turn is one guess, `budget` (default 3)
of them. The verifier `exact` rewards the answer. The policy says a digit that is a function of the seed and
the prompt; its ids are the characters' code points.
"""

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1 import environment_pb2_grpc as env_grpc
from farfield.policy.v1 import policy_pb2 as pol
from farfield.policy.v1 import policy_pb2_grpc as pol_grpc
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1 import types_pb2 as types
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1 import verifier_pb2_grpc as ver_grpc
from farfield_kernel import wire
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import (
    CONTEXT_FULL,
    WEIGHTS_NOT_SERVED,
    Conflict,
    DataLoss,
    FailedPrecondition,
    FarfieldError,
    NotFound,
    status_of,
)
from farfield_kernel.queue.contract import Claim
from farfield_kernel.server import Mount, running
from farfield_rollout.config import PolicyConfig, RetryConfig, RolloutConfig
from farfield_rollout.services import Services

END = 3


def message(role: int, *parts: str | types.Image) -> types.Message:
    made = [types.Part(text=part) if isinstance(part, str) else types.Part(image=part) for part in parts]
    return types.Message(role=role, parts=made)


def user(*parts: str | types.Image) -> types.Message:
    return message(types.ROLE_USER, *parts)


@dataclass
class Faults:
    """Errors to answer with, by method, each once and in turn."""

    planned: dict[str, list[FarfieldError]] = field(default_factory=dict)
    calls: Counter = field(default_factory=Counter)

    def plan(self, method: str, *errors: FarfieldError) -> None:
        self.planned[method] = list(errors)

    def meet(self, method: str) -> None:
        self.calls[method] += 1
        if self.planned.get(method):
            raise self.planned[method].pop(0)


class Guess(env_grpc.EnvironmentServiceServicer):
    def __init__(self) -> None:
        self.faults = Faults()
        self.sessions: dict[str, list] = {}
        self.steps: Counter = Counter()
        self.known: list[set[str]] = []
        self.closed: list[str] = []
        self.image: types.Image | None = None
        self.blobs: dict[str, bytes] = {}
        self.blobs_sent = asyncio.Event()
        """While it is not set no image is sent."""
        self.blobs_sent.set()
        self.late: list[env.StepResult] = []
        """Results that come once more, before those that were asked for."""
        self.fresh = False
        self.hint = ""
        self.salt = ""

    async def CreateSessions(self, request: env.CreateSessionsRequest, context: Any) -> Any:
        if request.environment.name != "guess":
            raise NotFound(f"no environment '{request.environment.name}'; hosted: guess")
        started = []
        for new in request.sessions:
            self.faults.meet("create")
            if self.sessions.get(new.session_id):
                raise Conflict("exists and was stepped")
            started.append(self._start(new.session_id, new.seed))
        resolved = env.EnvironmentRef()
        resolved.CopyFrom(request.environment)
        resolved.version = "1.0.0"
        return env.CreateSessionsResponse(sessions=started, environment=resolved, lease_seconds=60)

    def _start(self, session_id: str, seed: int) -> env.Started:
        self.sessions[session_id] = []
        shown = user("Guess the digit.", self.image) if self.image else user("Guess the digit.")
        return env.Started(
            session_id=session_id,
            observation=env.Observation(messages=[shown]),
            facts_json=json.dumps({"answer": str(seed % 10)}),
            digest=f"start-{seed}",
        )

    async def Rollout(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            self.faults.calls["stream"] += 1
            self.known.append(set(request.known_blobs))
            results = [self._result(action) for action in request.actions]
            yield env.RolloutResponse(results=[*self.late, *results])

    def _result(self, action: env.Action) -> env.StepResult:
        try:
            self.faults.meet("step")
            return env.StepResult(session_id=action.session_id, outcome=self._step(action))
        except FarfieldError as error:
            return env.StepResult(session_id=action.session_id, error=status_of(error))

    def _step(self, action: env.Action) -> env.Outcome:
        if action.session_id not in self.sessions:
            raise NotFound("no such session")
        past = self.sessions[action.session_id]
        self.steps[action.session_id, action.turn] += 1
        if action.turn == len(past) - 1 and past[-1] == action.response:
            return self._outcome(past)
        if action.turn != len(past):
            raise FailedPrecondition(f"turn {action.turn} is out of order")
        past.append(action.response)
        return self._outcome(past)

    def _outcome(self, past: list[str]) -> env.Outcome:
        spent = len(past) >= 3
        observation = env.Observation(fresh_context=self.fresh)
        if self.hint:
            observation.messages.append(user(self.hint))
        return env.Outcome(
            turn=len(past) - 1,
            state=types.STATE_TRUNCATED if spent else types.STATE_CONTINUE,
            observation=observation,
            digest=digest(past, self.salt),
            metrics={"guesses": len(past)},
        )

    async def RestoreSessions(self, request: env.RestoreSessionsRequest, context: Any) -> Any:
        assert request.environment.version == "1.0.0", "restored as resolved"
        return env.RestoreSessionsResponse(results=[self._restore(one) for one in request.sessions])

    def _restore(self, history: env.History) -> env.RestoreResult:
        try:
            self.faults.meet("restore")
            started = self._start(history.session_id, history.seed)
            past = self.sessions[history.session_id] = list(history.responses)
            if not past:
                return env.RestoreResult(session_id=history.session_id, started=started)
            if digest(past, self.salt) != history.digest:
                del self.sessions[history.session_id]
                raise DataLoss("replays to another history")
            return env.RestoreResult(session_id=history.session_id, outcome=self._outcome(past))
        except FarfieldError as error:
            return env.RestoreResult(session_id=history.session_id, error=status_of(error))

    async def RenewLeases(self, request: env.RenewLeasesRequest, context: Any) -> Any:
        self.faults.calls["renew"] += 1
        return env.RenewLeasesResponse()

    async def CloseSessions(self, request: env.CloseSessionsRequest, context: Any) -> Any:
        for session_id in request.session_ids:
            self.closed.append(session_id)
            self.sessions.pop(session_id, None)
        return env.CloseSessionsResponse()

    async def GetBlobs(self, request: env.GetBlobsRequest, context: Any) -> AsyncIterator[Any]:
        self.faults.meet("blobs")
        await self.blobs_sent.wait()
        for sha256 in request.sha256:
            yield env.GetBlobsResponse(image=types.Image(sha256=sha256, data=self.blobs[sha256]))


def digest(past: list[str], salt: str) -> str:
    return hashlib.sha256(json.dumps([past, salt]).encode()).hexdigest()


class Exact(ver_grpc.VerifierServiceServicer):
    def __init__(self) -> None:
        self.faults = Faults()
        self.attempts: list[ver.Attempt] = []
        self.forgets = False

    async def Verify(self, request: ver.VerifyRequest, context: Any) -> ver.VerifyResponse:
        self.faults.calls["call"] += 1
        if request.plan.leaf.verifier != "exact":
            raise NotFound(f"no verifier '{request.plan.leaf.verifier}'; hosted: exact")
        if self.forgets:
            return ver.VerifyResponse()
        self.attempts.extend(request.attempts)
        return ver.VerifyResponse(results=[self._judge(one) for one in request.attempts])

    def _judge(self, attempt: ver.Attempt) -> ver.VerifyResult:
        try:
            self.faults.meet("judge")
        except FarfieldError as error:
            return ver.VerifyResult(attempt_id=attempt.attempt_id, error=status_of(error))
        right = attempt.response == json.loads(attempt.facts_json)["answer"]
        verdict = types.Verdict(reward=float(right), correct=right, feedback="" if right else "Wrong.")
        return ver.VerifyResult(attempt_id=attempt.attempt_id, verdict=verdict)


class Digits(pol_grpc.PolicyServiceServicer):
    def __init__(self) -> None:
        self.faults = Faults()
        self.prompts: list[pol.Prompt] = []
        self.token_ids_in = True
        self.drifts = False
        self.context = 10_000
        self.version = 0
        self.says: str | None = None
        self.hold: asyncio.Event | None = None
        self._arrived = asyncio.Condition()

    async def asked(self, count: int) -> None:
        """Until that many prompts have come."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.prompts) >= count)

    async def Describe(self, request: pol.DescribeRequest, context: Any) -> pol.DescribeResponse:
        self.faults.meet("describe")
        able = pol.Capabilities(token_ids_in=self.token_ids_in, token_ids_out=True)
        return pol.DescribeResponse(engine="digits", capabilities=able)

    async def GenerateStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        inbox: asyncio.Queue = asyncio.Queue()
        reader = asyncio.ensure_future(self._read(requests, inbox))
        while request := await inbox.get():
            if self.hold:
                await self.hold.wait()
            yield pol.GenerateStreamResponse(results=[self._result(one) for one in request.prompts])
        await reader

    async def _read(self, requests: AsyncIterator[Any], inbox: asyncio.Queue) -> None:
        """Prompts are seen as they come, even while answers are held back."""
        async for request in requests:
            self.faults.calls["stream"] += 1
            inbox.put_nowait(request)
            async with self._arrived:
                self.prompts.extend(request.prompts)
                self._arrived.notify_all()
        inbox.put_nowait(None)

    def _result(self, prompt: pol.Prompt) -> pol.GenerateResult:
        try:
            self.faults.meet("generate")
            return pol.GenerateResult(request_id=prompt.request_id, response=self._respond(prompt))
        except FarfieldError as error:
            return pol.GenerateResult(request_id=prompt.request_id, error=status_of(error))

    def _respond(self, prompt: pol.Prompt) -> pol.Response:
        if prompt.require.version - prompt.max_staleness > self.version:
            raise FailedPrecondition("not yet served", reason=WEIGHTS_NOT_SERVED)
        said = "".join(f"<{one.role}>" + "".join(p.text for p in one.parts) for one in prompt.messages)
        ids = wire.ids_from_bytes(prompt.prefix_ids) + [ord(char) for char in said]
        if self.drifts and prompt.prefix_ids:
            ids[0] += 1
        if len(ids) >= self.context:
            raise FailedPrecondition("the context is full", reason=CONTEXT_FULL)
        drawn = hashlib.sha256(f"{prompt.seed} {ids}".encode()).digest()[0] % 10
        text = self.says or str(drawn)
        response = [*map(ord, text), END]
        full = len(ids) + len(response) >= self.context
        return pol.Response(
            prompt_ids=wire.ids_to_bytes(ids),
            response_ids=wire.ids_to_bytes(response),
            logprobs=wire.floats_to_bytes([-1.0] * len(response)),
            finish_reason=types.FINISH_REASON_CONTEXT if full else types.FINISH_REASON_STOP_TOKEN,
            text=text,
            versions=[pol.VersionSpan(version=self.version, tokens=len(response))],
            run_id=prompt.require.run_id,
        )


def mounts(environment: Guess, verifier: Exact, policy: Digits) -> list[Mount]:
    return [
        Mount(
            env.DESCRIPTOR.services_by_name["EnvironmentService"],
            env_grpc.add_EnvironmentServiceServicer_to_server,
            environment,
        ),
        Mount(
            ver.DESCRIPTOR.services_by_name["VerifierService"],
            ver_grpc.add_VerifierServiceServicer_to_server,
            verifier,
        ),
        Mount(
            pol.DESCRIPTOR.services_by_name["PolicyService"],
            pol_grpc.add_PolicyServiceServicer_to_server,
            policy,
        ),
    ]


@dataclass
class World:
    """The three services, and how a worker is told to reach them."""

    environment: Guess
    verifier: Exact
    policy: Digits
    config: RolloutConfig
    services: Services
    user = staticmethod(user)
    mounts = staticmethod(mounts)
    _numbers: Any = field(default_factory=itertools.count)

    def spec(self, number: int = 7, **changes: Any) -> pb.EpisodeSpec:
        fields: dict[str, Any] = {
            "episode_id": f"e/{number}",
            "run_id": "run",
            "purpose": pb.PURPOSE_TRAIN,
            "environment": env.EnvironmentRef(name="guess"),
            "reward": ver.RewardPlan(leaf=ver.Leaf(verifier="exact")),
            "environment_seed": number,
            "sampling_seed": 1000 + number,
            "sampling": types.Sampling(temperature=1, max_new_tokens=8),
        }
        return pb.EpisodeSpec(**{**fields, **changes})

    def claim(self, spec: pb.EpisodeSpec | None = None, attempt: int = 1) -> Claim:
        return Claim(f"{next(self._numbers)}-0", spec or self.spec(), attempt)


QUICK = RetryConfig(patience_seconds=20, retries=3, first_delay_seconds=0.001, max_delay_seconds=0.01)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    environment, verifier, policy = Guess(), Exact(), Digits()
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(running(mounts(environment, verifier, policy)))
        config = RolloutConfig(
            worker="w",
            environment=ClientConfig(address=address),
            verifier=ClientConfig(address=address),
            policy=PolicyConfig(address=address),
            retry=QUICK,
            look_seconds=0.005,
        )
        services = Services.connect(config)
        stack.push_async_callback(services.close)
        yield World(environment, verifier, policy, config, services)
