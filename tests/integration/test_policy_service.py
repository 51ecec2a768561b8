"""The policy service as a process, with a small model, a real Redis and weights that change under it.

Starting one costs seconds (the import of torch), so tests share one, each with a run of its own.
"""

import asyncio
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1.policy_pb2_grpc import PolicyServiceStub
from farfield.types.v1 import types_pb2
from farfield_kernel import wire
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.queue.opening import connect
from farfield_kernel.weight_stores.remote import RemoteStore
from farfield_kernel.weights import Weights, seal

WORDS = ["<pad>", "<end>", "<system>", "<user>", "<assistant>", *"abcdefghijklmnopqrstuvwxyz"]
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)

LANE = "policy-test"
Publish = Callable[[str, int], Weights]


def write_checkpoint(folder: Path, seed: int) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", chat_template=TEMPLATE)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    root = tmp_path_factory.mktemp("weights")

    def make(run_id: str, version: int) -> Weights:
        folder = root / f"{run_id}-{version}"
        return seal(write_checkpoint(folder, seed=version + 1), run_id, version)

    return make


class Process:
    """A policy service on a free port."""

    def __init__(self, log: Path, **options: Any) -> None:
        flags = [item for key, value in options.items() for item in (f"--{key}", json.dumps(value))]
        self._log = log
        with log.open("wb") as file:
            self.child = subprocess.Popen([sys.executable, "-m", "farfield_policy", *flags], stderr=file)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    async def port(self, key: str = "port") -> int:
        async with asyncio.timeout(90):
            while True:
                found = [line[key] for line in self.lines() if key in line]
                if found:
                    return found[0]
                assert self.child.poll() is None, self._log.read_text()
                await asyncio.sleep(0.02)

    async def logs(self, words: str) -> None:
        """Returns once the log says so."""
        async with asyncio.timeout(30):
            while not any(words in line["message"] for line in self.lines()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def stub(self) -> AsyncIterator[PolicyServiceStub]:
        config = ClientConfig(address=f"127.0.0.1:{await self.port()}")
        async with channel(config) as opened:
            self.health = health_pb2_grpc.HealthStub(opened)
            yield PolicyServiceStub(opened)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"), seed=0)


@pytest.fixture(scope="module")
def service(base: Path, module_redis: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One replica of lane `policy-test`."""
    process = Process(
        tmp_path_factory.mktemp("log") / "log",
        **{
            "engine.model": str(base),
            "engine.max_rows": 16,
            "queue_url": module_redis.url,
            "lane": LANE,
            "retry_seconds": 0.05,
            "watch_seconds": 0.2,
            "server.metrics_port": 0,
        },
    )
    yield process
    process.child.kill()
    process.child.wait()


def ask(request_id: str, new: int = 20, seed: int = 0, **more: Any) -> pb.Prompt:
    message = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[{"text": "a b c"}])
    sampling = types_pb2.Sampling(max_new_tokens=new, temperature=1)
    return pb.Prompt(request_id=request_id, messages=[message], sampling=sampling, seed=seed, **more)


async def test_it_generates_scores_and_tells_what_it_counts(service: Process) -> None:
    async with service.stub() as stub:
        about = await stub.Describe(pb.DescribeRequest())
        assert (about.engine, about.max_context_tokens, about.vocabulary) == ("torch", 256, len(WORDS))
        prompts = [ask(str(seed), seed=seed) for seed in range(100)]
        results = (await stub.Generate(pb.GenerateRequest(prompts=prompts))).results
        assert [result.request_id for result in results] == [str(seed) for seed in range(100)]
        done = [result.response for result in results]
        items = [pb.ScoreItem(prompt_ids=one.prompt_ids, response_ids=one.response_ids) for one in done]
        scored = (await stub.Score(pb.ScoreRequest(items=items))).results
        for one, scores in zip(done, scored, strict=True):
            expected = pytest.approx(wire.floats_from_bytes(one.logprobs), abs=1e-4)
            assert wire.floats_from_bytes(scores.scores.logprobs) == expected
        again = (await stub.Generate(pb.GenerateRequest(prompts=[ask("again", seed=42)]))).results[0]
        assert again.response.response_ids == done[42].response_ids
        serving = await service.health.Check(
            health_pb2.HealthCheckRequest(service="farfield.policy.v1.PolicyService")
        )
        assert serving.status == health_pb2.HealthCheckResponse.SERVING
        url = f"http://127.0.0.1:{await service.port('metrics_port')}/metrics"
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        counted = float(re.search(r"^farfield_policy_tokens_total (\S+)", page, re.M)[1])
        assert counted >= sum(len(one.response_ids) // 4 for one in [*done, again.response])


async def test_it_follows_the_lane_while_it_streams(
    service: Process, module_redis: Any, publish: Publish
) -> None:
    queue = connect(module_redis.url)
    async with service.stub() as stub:
        call = stub.GenerateStream()
        seen: dict[str, pb.Response] = {}
        for version in range(4):
            await queue.announce(LANE, publish("run", version))
            newer = {"require": pb.WeightVersion(run_id="run", version=3), "max_staleness": 3 - version}
            prompts = [ask(f"{version}.{seed}", 60, seed, **newer) for seed in range(12)]
            await call.write(pb.GenerateStreamRequest(prompts=prompts))
        await call.done_writing()
        async for response in call:
            for result in response.results:
                assert result.WhichOneof("result") == "response", result
                seen[result.request_id] = result.response
    await queue.close()
    assert len(seen) == 48
    for request_id, response in seen.items():
        asked = int(request_id.split(".")[0])
        assert response.run_id == "run"
        assert response.versions[0].version >= asked
        assert sum(span.tokens for span in response.versions) == len(response.response_ids) // 4


async def test_torn_weights_are_reported_and_healed(
    service: Process, module_redis: Any, publish: Publish
) -> None:
    queue = connect(module_redis.url)
    torn = publish("torn", 0)
    file = Path(torn.path) / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    async with service.stub() as stub:
        before = (await stub.Describe(pb.DescribeRequest())).weights
        await queue.announce(LANE, torn)
        await service.logs(f"{torn.path} are torn: model.safetensors")
        assert (await stub.Describe(pb.DescribeRequest())).weights == before
        file.write_bytes(whole)
        prompt = ask("1", require=pb.WeightVersion(run_id="torn"))
        result = (await stub.Generate(pb.GenerateRequest(prompts=[prompt]))).results[0]
        assert result.response.run_id == "torn"
    await queue.close()


async def test_a_lost_redis_is_waited_for(service: Process, module_redis: Any, publish: Publish) -> None:
    async with service.stub() as stub:
        module_redis.kill()
        assert (await stub.Generate(pb.GenerateRequest(prompts=[ask("1")]))).results[0].response.text
        module_redis.start()
        queue = connect(module_redis.url)
        await queue.announce(LANE, publish("after", 0))
        prompt = ask("2", require=pb.WeightVersion(run_id="after"))
        result = (await stub.Generate(pb.GenerateRequest(prompts=[prompt]))).results[0]
        assert result.response.run_id == "after"
        await queue.close()


async def test_terminated_it_finishes_what_runs_and_refuses_the_rest(base: Path, tmp_path: Path) -> None:
    process = Process(tmp_path / "log", **{"engine.model": str(base), "engine.max_rows": 2})
    async with process.stub() as stub:
        call = stub.GenerateStream()
        prompts = [ask("short", 1), *(ask(str(seed), 200, seed) for seed in range(60))]
        await call.write(pb.GenerateStreamRequest(prompts=prompts))
        results = list((await call.read()).results)
        process.child.send_signal(signal.SIGTERM)
        await call.done_writing()
        async for response in call:
            results += response.results
        assert len(results) == 61
        refused = [result.error.code for result in results if result.WhichOneof("result") == "error"]
        assert refused
        assert set(refused) == {code_pb2.UNAVAILABLE}
        assert len(refused) < 61
    assert await asyncio.to_thread(process.child.wait, 60) == 0


async def test_weights_come_from_a_bucket(
    base: Path, module_redis: Any, s3: str, publish: Publish, tmp_path: Path
) -> None:
    queue, store = connect(module_redis.url), RemoteStore(f"s3://weights/{tmp_path.name}", "bucket")
    options = {
        "engine.model": str(base),
        "queue_url": module_redis.url,
        "lane": "bucket",
        "watch_seconds": 0.2,
        "weights_cache": str(tmp_path / "cache"),
    }
    process = Process(tmp_path / "log", **options)
    try:
        async with process.stub() as stub:
            for version in range(3):
                put = await asyncio.to_thread(store.put, publish("bucket", version))
                await queue.announce("bucket", put)
                require = pb.WeightVersion(run_id="bucket", version=version, digest=put.digest)
                request = pb.GenerateRequest(prompts=[ask("1", require=require)])
                result = (await stub.Generate(request)).results[0]
                assert result.response.versions[0].version == version
        assert len(list((tmp_path / "cache").glob("0*"))) == 2
    finally:
        process.child.kill()
        process.child.wait()
        await queue.close()
