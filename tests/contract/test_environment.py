"""The environment contract, over a real server and channel."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "environment"))

import sample_environments as samples
from sample_core import loaded

from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.types.v1 import types_pb2
from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import Service, assembled
from farfield_generalpoints import GeneralPoints
from farfield_kernel.errors import from_rpc_error
from farfield_kernel.server import running
from farfield_kernel.wire import struct_from, struct_to_dict

Stub = environment_pb2_grpc.EnvironmentServiceStub
CLASSES = [
    GeneralPoints,
    samples.Counting,
    samples.Faulty,
    samples.Gated,
    samples.Pictures,
    samples.CountingBatchThread,
]


@asynccontextmanager
async def hosting(**config: object) -> AsyncIterator[tuple[Service, grpc.aio.Channel]]:
    """A server with its channel. The channel retries nothing, so that every code is seen."""
    found = loaded(*CLASSES)
    found.broken["torn"] = "ImportError: no module named torn"
    async with (
        assembled(EnvironmentConfig.model_validate(config), found) as service,
        running([service.mount]) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield service, channel


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with hosting() as (_, channel):
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Stub:
    return Stub(channel)


def ref(name: str = "counting", variant: str = "", version: str = "", **options: Any) -> pb.EnvironmentRef:
    return pb.EnvironmentRef(name=name, variant=variant, version=version, options=struct_from(options))


async def create(
    stub: Stub, environment: pb.EnvironmentRef, *pairs: tuple[str, int], **fields: Any
) -> pb.CreateSessionsResponse:
    sessions = [pb.NewSession(session_id=name, seed=seed) for name, seed in pairs or [("a", 1)]]
    request = pb.CreateSessionsRequest(environment=environment, sessions=sessions, **fields)
    return await stub.CreateSessions(request)


async def step(stub: Stub, *actions: tuple[str, int, str], **fields: Any) -> list[pb.StepResult]:
    made = [pb.Action(session_id=name, turn=turn, response=text) for name, turn, text in actions]
    return list((await stub.Step(pb.StepRequest(actions=made, **fields))).results)


async def test_describe(stub: Stub) -> None:
    answer = await stub.Describe(pb.DescribeRequest())
    infos = {info.name: info for info in answer.environments}
    assert set(infos) == {cls.name for cls in CLASSES}
    variants = {variant.name: variant for variant in infos["generalpoints"].variants}
    assert (variants["id"].role, variants["ood"].role) == ("id", "ood")
    assert "max_turns" in json.loads(infos["generalpoints"].options_schema_json)["properties"]
    assert [(one.name, one.error) for one in answer.broken] == [("torn", "ImportError: no module named torn")]
    assert (answer.sessions, answer.max_sessions, answer.lease_seconds) == (0, 4096, 120)


async def test_health_of_the_service_and_of_each_plugin(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name, status in (
        ("", health_pb2.HealthCheckResponse.SERVING),
        ("farfield.environment.v1.EnvironmentService", health_pb2.HealthCheckResponse.SERVING),
        ("environment/counting", health_pb2.HealthCheckResponse.SERVING),
        ("environment/torn", health_pb2.HealthCheckResponse.NOT_SERVING),
    ):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == status
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await health.Check(health_pb2.HealthCheckRequest(service="environment/unknown"))


async def test_reflection(channel: grpc.aio.Channel) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
    names = [service.name async for one in call for service in one.list_services_response.service]
    assert "farfield.environment.v1.EnvironmentService" in names


async def test_an_episode_of_generalpoints(stub: Stub) -> None:
    started = await create(stub, ref("generalpoints", "ood", prompt="compact", max_turns=3), ("a", 3))
    assert struct_to_dict(started.environment.options)["faces"] == "rank"
    assert (started.environment.version, started.lease_seconds) == (GeneralPoints.version, 120)
    facts = json.loads(started.sessions[0].facts_json)
    assert facts["target"] == 24
    (wrong,) = await step(stub, ("a", 0, "1 : 1 = 24"))
    assert wrong.outcome.state == types_pb2.STATE_CONTINUE
    (right,) = await step(stub, ("a", 1, oracle(3, "ood", max_turns=3)))
    assert (right.outcome.state, right.outcome.success) == (types_pb2.STATE_TERMINATED, True)
    closed = await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=["a", "b"]))
    assert closed.closed == 1


async def test_an_episode_of_generalpoints_in_pictures(stub: Stub) -> None:
    started = await create(stub, ref("generalpoints", "vl-red", prompt="compact", image_height=64), ("a", 3))
    picture, text = started.sessions[0].observation.messages[0].parts
    assert picture.image.media_type == "image/png"
    assert hashlib.sha256(picture.image.data).hexdigest() == picture.image.sha256
    cards = json.loads(started.sessions[0].facts_json)["cards"]
    assert text.text.endswith("cards shown")
    right = oracle(3, "vl-red")
    assert sorted(right.partition(" : ")[0].split()) == sorted(cards)
    (misread,) = await step(stub, ("a", 0, f"A A A A{right[right.index(' : ') :]}"))
    assert (misread.outcome.success, misread.outcome.metrics["recognition"]) == (False, 0)
    (solved,) = await step(stub, ("a", 1, right))
    assert (solved.outcome.success, solved.outcome.metrics["recognition"]) == (True, 1)


def oracle(seed: int, variant: str, **options: Any) -> str:
    given = {**GeneralPoints.variants[variant].options, "prompt": "compact", **options}
    game = GeneralPoints(GeneralPoints.Options.model_validate(given))
    game.reset(seed)
    return game.oracle()


async def test_sessions_that_share_an_object(stub: Stub) -> None:
    infos = {info.name: info for info in (await stub.Describe(pb.DescribeRequest())).environments}
    assert (infos["counting-batch-thread"].slots, infos["counting"].slots) == (8, 1)
    names = [f"s{number}" for number in range(20)]
    await create(stub, ref("counting-batch-thread"), *[(name, seed) for seed, name in enumerate(names)])
    first = await step(stub, *[(name, 0, name) for name in names])
    assert [one.outcome.turn for one in first] == [0] * 20
    answers = await step(stub, ("s0", 1, "raise"), ("s9", 1, "3"), ("s19", 1, "x"), ("s19", 1, "x"))
    assert answers[0].error.code == code_pb2.INTERNAL
    assert answers[1].outcome.success
    assert [one.outcome.replayed for one in answers[2:]] == [False, True]
    past = pb.History(session_id="s0", seed=0, responses=["s0"], digest=first[0].outcome.digest)
    request = pb.RestoreSessionsRequest(environment=ref("counting-batch-thread"), sessions=[past])
    (restored,) = (await stub.RestoreSessions(request)).results
    assert restored.outcome == first[0].outcome
    (solved,) = await step(stub, ("s0", 1, "3"))
    assert solved.outcome.success


BAD_RESPONSES = [
    "",
    "not JSON",
    "{" * 100_000,
    "[" * 100_000,
    "x" * 1_000_000,
    "x" * 1024 * 1024,
    "9**9**9",
    '{"formula": "9**9**9=24"}',
    "٢٤ = ٤ * ٦",
    "1 : ２４ = 24",
    "\0",
    "9" * 100_000,
]


@pytest.mark.parametrize("prompt", ["paper", "compact"])
async def test_whatever_a_policy_writes_is_a_turn_and_nothing_is_lost(stub: Stub, prompt: str) -> None:
    await create(stub, ref("generalpoints", "id", prompt=prompt, max_turns=100), ("a", 1))
    for turn, response in enumerate(BAD_RESPONSES):
        (result,) = await step(stub, ("a", turn, response))
        assert (result.outcome.state, result.outcome.success) == (types_pb2.STATE_CONTINUE, False), response[
            :20
        ]
    (over,) = await step(stub, ("a", len(BAD_RESPONSES), "x" * (1024 * 1024 + 1)))
    assert over.error.code == code_pb2.INVALID_ARGUMENT
    assert "1048577 bytes; at most 1048576" in over.error.message
    (right,) = await step(stub, ("a", len(BAD_RESPONSES), oracle(1, "id", prompt=prompt)))
    assert right.outcome.success


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        (
            ref("counthing"),
            grpc.StatusCode.NOT_FOUND,
            "installed: counting, counting-batch-thread, faulty, gated",
        ),
        (ref(variant="odd"), grpc.StatusCode.NOT_FOUND, "no variant 'odd'; it has: id, ood"),
        (ref(version="9.9.9"), grpc.StatusCode.NOT_FOUND, "version 1.2.0, not 9.9.9"),
        (ref(gaol=3), grpc.StatusCode.INVALID_ARGUMENT, "gaol: unknown key; did you mean 'goal'?"),
        (ref(goal="x"), grpc.StatusCode.INVALID_ARGUMENT, "goal: Input should be a valid integer"),
        (ref("generalpoints", faces={"J": 1}), grpc.StatusCode.INVALID_ARGUMENT, "faces.Q: Field"),
        (ref("torn"), grpc.StatusCode.INTERNAL, "'torn' is installed but broken: ImportError"),
        (ref(""), grpc.StatusCode.INVALID_ARGUMENT, "environment.name is empty"),
        (
            ref("faulty", label="reset"),
            grpc.StatusCode.INTERNAL,
            "'faulty' failed in reset: ValueError: no start",
        ),
        (ref("é" * 1_000_000), grpc.StatusCode.NOT_FOUND, "no plugin 'éé"),
    ],
)
async def test_what_cannot_be_created(
    stub: Stub, environment: pb.EnvironmentRef, code: grpc.StatusCode, says: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await create(stub, environment)
    assert failed.value.code() == code
    assert says in failed.value.details()
    assert (await stub.Describe(pb.DescribeRequest())).sessions == 0


async def test_each_item_of_a_batch_succeeds_or_fails_on_its_own(stub: Stub) -> None:
    await create(stub, ref("faulty"), *[(name, 1) for name in "abcdef"])
    await step(stub, ("b", 0, "3"), ("d", 0, "x"))
    results = await step(
        stub,
        ("a", 0, "x"),
        ("b", 1, "y"),
        ("c", 1, "x"),
        ("d", 0, "y"),
        ("e", 0, "raise"),
        ("f", 0, "bad facts"),
        ("nobody", 0, "x"),
        ("", 0, "x"),
    )
    assert [result.session_id for result in results] == ["a", "b", "c", "d", "e", "f", "nobody", ""]
    assert [result.turn for result in results] == [0, 1, 1, 0, 0, 0, 0, 0]
    codes = [code_pb2.Code.Name(result.error.code) for result in results]
    assert codes == [
        "OK",
        "FAILED_PRECONDITION",
        "FAILED_PRECONDITION",
        "ABORTED",
        "INTERNAL",
        "INTERNAL",
        "NOT_FOUND",
        "NOT_FOUND",
    ]
    (again,) = await step(stub, ("a", 0, "x"))
    assert again.outcome.replayed
    assert again.outcome.digest == results[0].outcome.digest


async def test_the_turns_of_one_session_may_share_a_batch(stub: Stub) -> None:
    await create(stub, ref())
    results = await step(stub, ("a", 0, "x"), ("a", 1, "y"), ("a", 2, "3"))
    assert [result.outcome.turn for result in results] == [0, 1, 2]
    assert results[2].outcome.success


async def test_the_same_step_ten_times_at_once_applies_once(stub: Stub) -> None:
    samples.Gated.shut()
    await create(stub, ref("gated"))
    calls = [asyncio.ensure_future(step(stub, ("a", 0, "x"))) for _ in range(10)]
    assert await asyncio.to_thread(samples.Gated.arrived.wait, 10)
    samples.Gated.gate.set()
    results = [result for (result,) in await asyncio.gather(*calls)]
    assert samples.Gated.taken == ["x"]
    assert len({result.outcome.digest for result in results}) == 1
    assert sum(result.outcome.replayed for result in results) == 9


async def test_a_caller_that_left_finds_the_answer(stub: Stub) -> None:
    samples.Gated.shut()
    await create(stub, ref("gated"))
    request = pb.StepRequest(actions=[pb.Action(session_id="a", turn=0, response="x")])
    call = stub.Step(request)
    assert await asyncio.to_thread(samples.Gated.arrived.wait, 10)
    call.cancel()
    samples.Gated.gate.set()
    assert (await stub.Step(request)).results[0].outcome.replayed
    assert samples.Gated.taken == ["x"]


async def test_a_full_service_says_when_to_come_back() -> None:
    async with hosting(max_sessions=1) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as full:
            await create(Stub(channel), ref(), ("a", 1), ("b", 1))
        assert full.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert from_rpc_error(full.value).retry_after == 1.0
        assert (await Stub(channel).Describe(pb.DescribeRequest())).sessions == 0


async def test_a_draining_service_plays_on_but_starts_nothing() -> None:
    async with hosting() as (service, channel):
        stub = Stub(channel)
        await create(stub, ref())
        drained = asyncio.ensure_future(service.sessions.drain())
        await asyncio.sleep(0)
        for call in (
            stub.CreateSessions(pb.CreateSessionsRequest(environment=ref())),
            create(stub, ref(), ("b", 1)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        (restored,) = await restore(stub, ref(), pb.History(session_id="b", seed=1))
        assert restored.error.code == code_pb2.UNAVAILABLE
        (result,) = await step(stub, ("a", 0, "3"))
        assert result.outcome.success
        await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=["a"]))
        await drained


async def test_leases_end_and_are_renewed() -> None:
    async with hosting(lease_seconds=0.02) as (service, channel):
        stub = Stub(channel)
        await create(stub, ref(), ("a", 1))
        await asyncio.sleep(0.03)
        assert service.sessions.reap() == 1
        answer = await stub.RenewLeases(pb.RenewLeasesRequest(session_ids=["a"]))
        assert (list(answer.lost), answer.lease_seconds) == (["a"], 0.02)
        (result,) = await step(stub, ("a", 0, "x"))
        assert result.error.code == code_pb2.NOT_FOUND
        assert "restore it from its history" in result.error.message


async def restore(
    stub: Stub, environment: pb.EnvironmentRef, *histories: pb.History
) -> list[pb.RestoreResult]:
    request = pb.RestoreSessionsRequest(environment=environment, sessions=histories)
    return list((await stub.RestoreSessions(request)).results)


async def test_sessions_go_on_at_another_service() -> None:
    async with hosting() as (_, lost), hosting() as (_, found):
        environment = ref("generalpoints", "id", prompt="compact")
        started = await create(Stub(lost), environment, ("a", 7), ("b", 8), ("c", 9))
        (last,) = await step(Stub(lost), ("a", 0, "1 : 1 = 24"))
        results = await restore(
            Stub(found),
            started.environment,
            pb.History(session_id="a", seed=7, responses=["1 : 1 = 24"], digest=last.outcome.digest),
            pb.History(session_id="b", seed=8, digest=started.sessions[1].digest),
            pb.History(session_id="c", seed=10, digest=started.sessions[2].digest),
            pb.History(session_id="d", seed=1, responses=["x" * (1024 * 1024 + 1)]),
        )
        assert results[0].outcome == last.outcome
        assert results[1].started == started.sessions[1]
        assert results[2].error.code == code_pb2.DATA_LOSS
        assert results[3].error.code == code_pb2.INVALID_ARGUMENT
        assert (await Stub(found).Describe(pb.DescribeRequest())).sessions == 2
        action = ("a", 1, oracle(7, "id"))
        assert await step(Stub(found), action) == await step(Stub(lost), action)


async def test_images_travel_once() -> None:
    async with hosting(inline_image_bytes=8) as (_, channel):
        stub = Stub(channel)
        started = await create(stub, ref("pictures"))
        large = started.sessions[0].observation.messages[0].parts[1].image
        assert large.data == b""
        blobs = [one.image async for one in stub.GetBlobs(pb.GetBlobsRequest(sha256=[large.sha256]))]
        assert [(blob.data, blob.media_type) for blob in blobs] == [(samples.picture("start 1"), "image/png")]
        (result,) = await step(stub, ("a", 0, "red"))
        small = result.outcome.observation.messages[0].parts[0].image
        assert small.data == samples.picture("red")
        (again,) = await step(stub, ("a", 0, "red"), known_blobs=[small.sha256])
        assert again.outcome.observation.messages[0].parts[0].image.data == b""
        with pytest.raises(grpc.aio.AioRpcError) as lost:
            _ = [one async for one in stub.GetBlobs(pb.GetBlobsRequest(sha256=[large.sha256, "0" * 64]))]
        assert lost.value.code() == grpc.StatusCode.NOT_FOUND


def request(*actions: tuple[str, int, str]) -> pb.RolloutRequest:
    made = [pb.Action(session_id=name, turn=turn, response=text) for name, turn, text in actions]
    return pb.RolloutRequest(actions=made)


async def results_of(call: Any, count: int) -> list[pb.StepResult]:
    results: list[pb.StepResult] = []
    while len(results) < count:
        results.extend((await call.read()).results)
    return results


async def test_a_stream_answers_whatever_is_ready(stub: Stub) -> None:
    samples.Gated.shut()
    await create(stub, ref("gated"), ("slow", 1))
    await create(stub, ref(), ("fast", 1))
    call = stub.Rollout()
    await call.write(request(("slow", 0, "x"), ("fast", 0, "x"), ("nobody", 7, "x")))
    first = await results_of(call, 2)
    assert [(result.session_id, result.turn) for result in first] == [("fast", 0), ("nobody", 7)]
    assert first[1].error.code == code_pb2.NOT_FOUND
    await call.write(request(("fast", 1, "3")))
    assert (await results_of(call, 1))[0].outcome.success
    await call.done_writing()
    samples.Gated.gate.set()
    (last,) = await results_of(call, 1)
    assert last.session_id == "slow"
    assert await call.read() is grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK


async def test_sessions_outlive_a_stream(stub: Stub) -> None:
    samples.Gated.shut()
    await create(stub, ref("gated"))
    call = stub.Rollout()
    await call.write(request(("a", 0, "x")))
    assert await asyncio.to_thread(samples.Gated.arrived.wait, 10)
    call.cancel()
    samples.Gated.gate.set()
    (result,) = await step(stub, ("a", 0, "x"))
    assert result.outcome.replayed
    (result,) = await step(stub, ("a", 1, "3"))
    assert result.outcome.success


async def test_many_sessions_on_one_stream(stub: Stub) -> None:
    names = [f"s{number}" for number in range(100)]
    await create(stub, ref(goal=99, max_turns=9), *[(name, 1) for name in names])
    call = stub.Rollout()
    for name in names:
        await call.write(request((name, 0, "x")))
    turns = dict.fromkeys(names, 0)
    for _ in range(100 * 9):
        if all(turn == 9 for turn in turns.values()):
            break
        for result in (await call.read()).results:
            assert result.outcome.turn == turns[result.session_id]
            turns[result.session_id] += 1
            if result.outcome.state == types_pb2.STATE_CONTINUE:
                await call.write(request((result.session_id, turns[result.session_id], "x")))
    assert set(turns.values()) == {9}
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_demonstrations(stub: Stub) -> None:
    asked = pb.DemonstrateRequest(
        environment=ref("generalpoints", "id", prompt="compact"), seed=3, count=20, style="revision"
    )
    answers = [one async for one in stub.Demonstrate(asked)]
    assert [one.seed for one in answers] == list(range(3, 23))
    assert all(one.weights[-1] == 1 for one in answers)
    assert all(one.messages[-1].role == types_pb2.ROLE_ASSISTANT for one in answers)
    asked.style = "perfect"
    with pytest.raises(grpc.aio.AioRpcError) as wrong:
        _ = [one async for one in stub.Demonstrate(asked)]
    assert wrong.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "it has: optimal, revision" in wrong.value.details()
