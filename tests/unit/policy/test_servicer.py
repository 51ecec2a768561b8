import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1.policy_pb2_grpc import PolicyServiceStub
from farfield.types.v1 import types_pb2
from farfield_kernel import wire
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import DataLoss, InvalidArgument, NotFound, translated
from farfield_kernel.server import running
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_kernel.weights import seal
from farfield_policy.engine import Completion, Prompt
from farfield_policy.scripted import LOGPROB, ScriptedEngine
from farfield_policy.service import Service
from farfield_policy.servicer import PolicyServicer, mount

LATENCIES = {"slow": 0.1, "fast": 0.0}


class Unequal(ScriptedEngine):
    """Takes as long for each prompt as its words say."""

    async def _answer(self, prompt: Prompt, number: int):
        await asyncio.sleep(LATENCIES.get(prompt.messages[0].content, 0))
        return await super()._answer(prompt, number)


@pytest.fixture
def engine() -> ScriptedEngine:
    return Unequal(lambda prompt, text: f"to {prompt.messages[0].content}")


@pytest.fixture
async def stub(engine: ScriptedEngine) -> AsyncIterator[PolicyServiceStub]:
    async with running([mount(engine)]) as address, channel(ClientConfig(address=address)) as opened:
        yield PolicyServiceStub(opened)
    await engine.close()


def ask(request_id: str, text: str = "hi", new: int = 50) -> pb.Prompt:
    message = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[{"text": text}])
    return pb.Prompt(
        request_id=request_id, messages=[message], sampling=types_pb2.Sampling(max_new_tokens=new)
    )


async def test_a_batch_is_answered_in_order_with_errors_in_place(stub: PolicyServiceStub) -> None:
    prompts = [
        ask("1", "slow"),
        ask("2", new=0),
        pb.Prompt(request_id="3", prefix_ids=b"1"),
        ask("4", "fast"),
    ]
    results = (await stub.Generate(pb.GenerateRequest(prompts=prompts))).results
    assert [result.request_id for result in results] == ["1", "2", "3", "4"]
    assert [result.response.text for result in results] == ["to slow", "", "", "to fast"]
    assert [result.error.code for result in results[1:3]] == [code_pb2.INVALID_ARGUMENT] * 2
    assert "max_new_tokens" in results[1].error.message


async def test_a_stream_answers_as_results_are_ready(stub: PolicyServiceStub) -> None:
    async def requests() -> AsyncIterator[pb.GenerateStreamRequest]:
        yield pb.GenerateStreamRequest(prompts=[ask("1", "slow"), ask("2", new=-1)])
        yield pb.GenerateStreamRequest(prompts=[ask("3", "fast")])

    seen = []
    async for response in stub.GenerateStream(requests()):
        seen += [(result.request_id, result.WhichOneof("result")) for result in response.results]
    assert sorted(seen) == [("1", "response"), ("2", "error"), ("3", "response")]
    assert seen[-1][0] == "1"


class Endless(ScriptedEngine):
    """Never answers; `begun` is set when it has begun to work on the last of `count` prompts."""

    def __init__(self, count: int) -> None:
        self.begun = asyncio.Event()
        self._left = count
        super().__init__(self._begin)

    def _begin(self, prompt: Prompt, text: str) -> str:
        raise AssertionError("it never comes to an answer")

    async def _answer(self, prompt: Prompt, number: int) -> Completion:
        self._latency = 3600
        self._left -= 1
        if not self._left:
            self.begun.set()
        return await super()._answer(prompt, number)


async def test_a_cancelled_stream_frees_its_rows() -> None:
    endless = Endless(2)
    async with running([mount(endless)]) as address, channel(ClientConfig(address=address)) as opened:
        call = PolicyServiceStub(opened).GenerateStream()
        await call.write(pb.GenerateStreamRequest(prompts=[ask("1"), ask("2")]))
        async with asyncio.timeout(10):
            await endless.begun.wait()
            call.cancel()
            assert await endless.pause(drain=True) == 0


async def test_a_cancelled_call_frees_its_rows() -> None:
    endless = Endless(1)
    async with running([mount(endless)]) as address, channel(ClientConfig(address=address)) as opened:
        call = asyncio.ensure_future(
            _generate(PolicyServiceStub(opened), pb.GenerateRequest(prompts=[ask("1")]))
        )
        async with asyncio.timeout(10):
            await endless.begun.wait()
            call.cancel()
            assert await endless.pause(drain=True) == 0


async def test_a_drained_policy_ends_its_streams(engine: ScriptedEngine) -> None:
    """What runs is answered, what comes is sent elsewhere, and the stream ends though its caller does not."""
    service = Service(PolicyServicer(engine, WeightCache(None)), engine, drain_seconds=60)
    async with running([service.mount]) as address, channel(ClientConfig(address=address)) as opened:
        call = PolicyServiceStub(opened).GenerateStream()
        await call.write(pb.GenerateStreamRequest(prompts=[ask("1", "fast")]))
        assert (await call.read()).results[0].response.text == "to fast"
        service.servicer.refuse()
        await call.write(pb.GenerateStreamRequest(prompts=[ask("2", "fast")]))
        assert (await call.read()).results[0].error.code == code_pb2.UNAVAILABLE
        await service.drain()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def _generate(stub: PolicyServiceStub, request: pb.GenerateRequest) -> pb.GenerateResponse:
    return await stub.Generate(request)


async def test_scores_are_per_item(stub: PolicyServiceStub) -> None:
    ids = wire.ids_to_bytes([65, 66])
    items = [pb.ScoreItem(request_id="1", prompt_ids=ids, response_ids=ids), pb.ScoreItem(request_id="2")]
    response = await stub.Score(pb.ScoreRequest(items=items))
    assert wire.floats_from_bytes(response.results[0].scores.logprobs) == [LOGPROB, LOGPROB]
    assert response.results[1].error.code == code_pb2.INVALID_ARGUMENT


async def test_weights_are_verified_loaded_and_described(stub: PolicyServiceStub, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("weights")
    weights = seal(tmp_path, "run", 4)
    answer = await stub.LoadWeights(pb.LoadWeightsRequest(path=weights.path))
    assert (answer.weights.run_id, answer.weights.version) == ("run", 4)
    about = await stub.Describe(pb.DescribeRequest())
    assert about.weights.digest == weights.digest
    assert about.capabilities.weight_update == pb.WEIGHT_UPDATE_DISK
    (tmp_path / "model.safetensors").write_text("torn")
    for path, error in ((weights.path, DataLoss), (str(tmp_path / "none"), NotFound), ("", InvalidArgument)):
        with pytest.raises(error):
            async with translated():
                await stub.LoadWeights(pb.LoadWeightsRequest(path=path))


async def test_pause_and_resume(stub: PolicyServiceStub) -> None:
    assert (await stub.Pause(pb.PauseRequest(drain=True))).running == 0
    waiting = asyncio.ensure_future(stub.Generate(pb.GenerateRequest(prompts=[ask("1")])))
    await stub.Describe(pb.DescribeRequest())  # a round trip later
    assert not waiting.done()
    await stub.Resume(pb.ResumeRequest())
    assert (await waiting).results[0].response.text == "to hi"
