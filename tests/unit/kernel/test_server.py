"""Server, interceptor and client together: errors, ids, tokens, health, reflection, limits, drain."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1 import policy_pb2_grpc
from farfield_kernel import logs, metrics
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import (
    DeadlineExceeded,
    Exhausted,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unauthenticated,
    Unavailable,
    translated,
)
from farfield_kernel.interceptor import MOST_ITEMS
from farfield_kernel.server import Mount, Server, ServerConfig, running
from farfield_kernel.tls import TlsConfig

NAME = "farfield.policy.v1.PolicyService"
ONE_PROMPT = pb.GenerateStreamRequest(prompts=[pb.Prompt(request_id="a")])


class Echo(policy_pb2_grpc.PolicyServiceServicer):
    """Answers, raises or waits as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.ids: dict[str, str] = {}
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.asked = 0
        self.long = 0
        """Bytes to answer with."""

    async def Describe(self, request: Any, context: Any) -> pb.DescribeResponse:
        self.asked += 1
        self.ids = dict(logs.ids())
        self.entered.set()
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return pb.DescribeResponse(engine="x" * self.long or "echo")

    async def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:
        return pb.ScoreResponse(results=[pb.ScoreResult(request_id=one.request_id) for one in request.items])

    async def GenerateStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if self.error and not request.prompts:
                raise self.error
            results = [
                pb.GenerateResult(request_id="x" * self.long or one.request_id) for one in request.prompts
            ]
            yield pb.GenerateStreamResponse(results=results)


def mount(servicer: Echo, **parts: bool) -> Mount:
    descriptor = pb.DESCRIPTOR.services_by_name["PolicyService"]
    return Mount(descriptor, policy_pb2_grpc.add_PolicyServiceServicer_to_server, servicer, parts)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def address(echo: Echo) -> AsyncIterator[str]:
    async with running([mount(echo)]) as bound:
        yield bound


@pytest.fixture
async def stub(address: str) -> AsyncIterator[Any]:
    async with channel(ClientConfig(address=address)) as opened:
        yield policy_pb2_grpc.PolicyServiceStub(opened)


async def describe(stub: Any) -> pb.DescribeResponse:
    async with translated():
        return await stub.Describe(pb.DescribeRequest())


def counted(method: str, code: str) -> float:
    labels = {"method": f"/{NAME}/{method}", "code": code}
    return metrics.REGISTRY.get_sample_value("farfield_rpc_total", labels) or 0


async def test_a_call_is_answered_and_counted(stub: Any) -> None:
    before = counted("Describe", "OK")
    assert (await describe(stub)).engine == "echo"
    assert counted("Describe", "OK") == before + 1


async def test_domain_errors_arrive_as_they_were_raised(echo: Echo, stub: Any) -> None:
    echo.error = Exhausted("full: 3 of 3 sessions", retry_after=2, reason="FULL")
    before = counted("Describe", "RESOURCE_EXHAUSTED")
    with pytest.raises(Exhausted, match="3 of 3") as caught:
        await describe(stub)
    assert (caught.value.retry_after, caught.value.reason) == (2, "FULL")
    assert counted("Describe", "RESOURCE_EXHAUSTED") == before + 1


async def test_unexpected_errors_go_to_the_log_alone(echo: Echo, stub: Any, caplog) -> None:
    echo.error = ValueError("secret detail")
    with pytest.raises(PluginFailure) as caught:
        await describe(stub)
    assert "secret" not in str(caught.value)
    assert "secret detail" in caplog.text


async def test_errors_of_streams_arrive_too(echo: Echo, stub: Any) -> None:
    echo.error = NotFound("no such thing")
    good, bad = pb.GenerateStreamRequest(prompts=[pb.Prompt(request_id="a")]), pb.GenerateStreamRequest()
    seen: list[str] = []
    with pytest.raises(NotFound, match="no such thing"):
        await stream(stub, [good, bad], seen)
    assert seen == ["a"]


async def torn() -> AsyncIterator[bytes]:
    yield b"\xff"


@pytest.mark.parametrize(
    "call",
    [
        lambda opened: opened.unary_unary(f"/{NAME}/Describe")(b"\xff"),
        lambda opened: anext(aiter(opened.stream_stream(f"/{NAME}/GenerateStream")(torn()))),
    ],
)
async def test_bytes_that_are_no_message_are_the_callers_mistake(address: str, call: Any) -> None:
    async with grpc.aio.insecure_channel(address) as opened:
        with pytest.raises(InvalidArgument, match="no message of this method's type"):
            await translating(call(opened))


async def translating(call: Any) -> None:
    async with translated():
        await call


async def stream(stub: Any, requests: list[pb.GenerateStreamRequest], seen: list[str]) -> None:
    async def ask() -> AsyncIterator[pb.GenerateStreamRequest]:
        for request in requests:
            yield request

    async with translated():
        async for answer in stub.GenerateStream(ask()):
            seen += [result.request_id for result in answer.results]


async def test_ids_travel_with_the_call(echo: Echo, stub: Any) -> None:
    with logs.bound(run="r", episode="é"):
        await describe(stub)
    assert echo.ids == {"run": "r", "episode": "é"}
    await describe(stub)
    assert echo.ids == {}


TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_trace_that_comes_from_outside_is_passed_on(echo: Echo, stub: Any) -> None:
    await stub.Describe(pb.DescribeRequest(), metadata=[("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")])
    first = echo.ids
    assert (first["trace_id"], first["trace_flags"]) == (TRACE, "01")
    with logs.bound(**first):
        await describe(stub)
    assert echo.ids["trace_id"] == TRACE
    assert len({"b7ad6b7169203331", first["span_id"], echo.ids["span_id"]}) == 3
    await describe(stub)
    assert echo.ids == {}


@pytest.mark.parametrize("sent", ["not json", "[1]", "null"])
async def test_ids_that_are_nonsense_are_ignored(echo: Echo, address: str, sent: str) -> None:
    async with grpc.aio.insecure_channel(address) as opened:
        stub: Any = policy_pb2_grpc.PolicyServiceStub(opened)
        await stub.Describe(pb.DescribeRequest(), metadata=[("farfield-ids", sent)])
    assert echo.ids == {}


async def test_a_call_without_a_deadline_gets_the_clients(echo: Echo, address: str) -> None:
    echo.gate = asyncio.Event()
    async with channel(ClientConfig(address=address, timeout_seconds=0.05)) as opened:
        with pytest.raises(DeadlineExceeded):
            await describe(policy_pb2_grpc.PolicyServiceStub(opened))
    echo.gate.set()


async def test_a_service_that_is_away_for_a_moment_is_asked_again(echo: Echo, stub: Any) -> None:
    echo.error = Unavailable("starting")
    asking = asyncio.create_task(describe(stub))
    await echo.entered.wait()
    echo.error = None
    assert (await asking).engine == "echo"
    assert echo.asked > 1


async def test_a_service_that_stays_away_is_asked_as_often_as_told(echo: Echo, address: str) -> None:
    echo.error = Unavailable("starting")
    async with channel(ClientConfig(address=address, attempts=2)) as opened:
        with pytest.raises(Unavailable, match="starting"):
            await describe(policy_pb2_grpc.PolicyServiceStub(opened))
    assert echo.asked == 2


async def test_large_messages_pass(stub: Any) -> None:
    item = pb.ScoreItem(request_id="x" * 20_000_000)
    async with translated():
        answer = await stub.Score(pb.ScoreRequest(items=[item]))
    assert len(answer.results[0].request_id) == 20_000_000


async def test_messages_over_the_limit_are_refused(stub: Any) -> None:
    item = pb.ScoreItem(prompt_ids=bytes(65 * 1024 * 1024))
    with pytest.raises(Exhausted):
        async with translated():
            await stub.Score(pb.ScoreRequest(items=[item]))


class TestTokens:
    @pytest.fixture
    async def address(self, echo: Echo) -> AsyncIterator[str]:
        async with running([mount(echo)], ServerConfig(token="right", drain_seconds=0)) as bound:
            yield bound

    @pytest.mark.parametrize("token", ["", "wrong", "rightt"])
    async def test_the_wrong_token_is_refused(self, echo: Echo, address: str, token: str) -> None:
        async with channel(ClientConfig(address=address, token=token)) as opened:
            stub: Any = policy_pb2_grpc.PolicyServiceStub(opened)
            with pytest.raises(Unauthenticated, match="bearer token"):
                await describe(stub)
            with pytest.raises(Unauthenticated):
                await stream(stub, [ONE_PROMPT], [])
        assert echo.asked == 0

    async def test_the_right_token_passes_on_every_kind_of_call(self, address: str) -> None:
        async with channel(ClientConfig(address=address, token="right")) as opened:
            stub: Any = policy_pb2_grpc.PolicyServiceStub(opened)
            assert (await describe(stub)).engine == "echo"
            seen: list[str] = []
            await stream(stub, [ONE_PROMPT], seen)
            assert seen == ["a"]

    async def test_health_needs_none(self, address: str) -> None:
        assert await health(address) == "SERVING"


async def health(address: str, name: str = "") -> str:
    async with grpc.aio.insecure_channel(address) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


HUGE = b"\x0a\x00" * (33 << 20)
"""An empty item, over and over: more than a message may have."""


@pytest.mark.parametrize("kind", ["unary_unary", "stream_stream"])
async def test_requests_over_the_limit_are_refused_before_they_are_read(address: str, kind: str) -> None:
    async with grpc.aio.insecure_channel(address, [("grpc.max_send_message_length", -1)]) as opened:
        method = "Score" if kind == "unary_unary" else "GenerateStream"
        call = getattr(opened, kind)(f"/{NAME}/{method}")
        answered = call(HUGE) if kind == "unary_unary" else call(iter([HUGE])).read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answered
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", ["Describe", "GenerateStream"])
async def test_answers_over_the_limit_are_refused(echo: Echo, stub: Any, method: str) -> None:
    echo.long = 65 << 20
    with pytest.raises(Exhausted):
        await (describe(stub) if method == "Describe" else stream(stub, [ONE_PROMPT], []))


async def test_a_request_of_countless_items_is_refused(stub: Any) -> None:
    items = [pb.ScoreItem()] * (MOST_ITEMS + 1)
    with pytest.raises(InvalidArgument, match="send them in parts"):
        async with translated():
            await stub.Score(pb.ScoreRequest(items=items))


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize(
    "method",
    [
        f"/{NAME}/Describe",
        f"/{NAME}/GenerateStream",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    ],
)
async def test_who_sends_no_request_is_not_waited_for(echo: Echo, method: str) -> None:
    config = ServerConfig(drain_seconds=0, request_seconds=0.2)
    async with running([mount(echo)], config) as address, grpc.aio.insecure_channel(address) as opened:
        with pytest.raises(
            grpc.aio.AioRpcError, match=r"no whole request came within 0\.2 seconds"
        ) as caught:
            _ = [answer async for answer in opened.stream_stream(method)(never())]
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_on_which_nothing_is_said_ends(echo: Echo) -> None:
    async def once() -> AsyncIterator[pb.GenerateStreamRequest]:
        yield ONE_PROMPT
        await asyncio.Event().wait()

    config = ServerConfig(drain_seconds=0, idle_seconds=0.3)
    async with running([mount(echo)], config) as address, channel(ClientConfig(address=address)) as opened:
        stub = policy_pb2_grpc.PolicyServiceStub(opened)
        answers = aiter(stub.GenerateStream(once()))
        seen = await anext(answers)
        with pytest.raises(grpc.aio.AioRpcError, match="nothing was said on this stream") as caught:
            await anext(answers)
    assert [result.request_id for result in seen.results] == ["a"]
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_may_take_longer_than_its_request(echo: Echo) -> None:
    echo.gate = asyncio.Event()
    config = ServerConfig(drain_seconds=0, request_seconds=0.1)
    async with running([mount(echo)], config) as address, channel(ClientConfig(address=address)) as opened:
        asking = asyncio.ensure_future(describe(policy_pb2_grpc.PolicyServiceStub(opened)))
        await echo.entered.wait()
        await asyncio.sleep(0.3)
        echo.gate.set()
        assert (await asking).engine == "echo"


async def test_a_call_that_ends_without_a_request_is_told_so(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as opened:
        with pytest.raises(grpc.aio.AioRpcError, match="without a request") as caught:
            await opened.stream_unary(f"/{NAME}/Describe")(iter([]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_is_told_by_service_and_part(echo: Echo) -> None:
    async with running([mount(echo, **{"engine/good": True, "engine/bad": False})]) as address:
        assert await health(address) == await health(address, NAME) == "SERVING"
        assert await health(address, "engine/good") == "SERVING"
        assert await health(address, "engine/bad") == "NOT_SERVING"


async def test_reflection_lists_the_services(address: str) -> None:
    async def ask() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async with grpc.aio.insecure_channel(address) as opened:
        stub = reflection_pb2_grpc.ServerReflectionStub(opened)
        (answer,) = [one async for one in stub.ServerReflectionInfo(ask())]
    names = [service.name for service in answer.list_services_response.service]
    assert NAME in names
    assert "grpc.health.v1.Health" in names


async def test_stopping_turns_health_off_drains_and_lets_calls_finish(echo: Echo) -> None:
    server = Server(ServerConfig(drain_seconds=30), [mount(echo)])
    await server.start()
    echo.gate = asyncio.Event()
    told: list[str] = []

    async def drain() -> None:
        told.append(await health(server.address))
        echo.gate.set()

    async with channel(ClientConfig(address=server.address)) as opened:
        call = asyncio.create_task(describe(policy_pb2_grpc.PolicyServiceStub(opened)))
        await echo.entered.wait()
        await server.stop(drain)
        assert (await call).engine == "echo"
    assert told == ["NOT_SERVING"]


async def test_a_port_in_use_is_said(address: str) -> None:
    with pytest.raises(OSError, match="is the port in use"):
        Server(ServerConfig(port=int(address.rpartition(":")[2])), [])


async def test_a_tls_server_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match=r"tls\.certificate and tls\.key"):
        Server(ServerConfig(tls=TlsConfig()), [])


def test_a_config_that_is_shown_does_not_show_its_token() -> None:
    assert "geheim" not in repr(ServerConfig(token="geheim"))
    assert "geheim" not in repr(ClientConfig(address="a:1", token="geheim"))
