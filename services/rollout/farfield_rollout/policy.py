"""The policy's client: every prompt of the worker over few long-lived streams."""

import itertools
from collections.abc import Iterator
from typing import Any

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1 import policy_pb2_grpc
from farfield_kernel.client import channel
from farfield_kernel.errors import error_of, translated
from farfield_rollout.batching import Batcher
from farfield_rollout.config import PolicyConfig
from farfield_rollout.exchange import Exchange


class PolicyClient:
    def __init__(self, config: PolicyConfig) -> None:
        self._channel = channel(config)
        self._stub: Any = policy_pb2_grpc.PolicyServiceStub(self._channel)
        self._streams = [
            Exchange[pb.Prompt, pb.Response](
                self._stub.GenerateStream, _pack, _results, config.timeout_seconds
            )
            for _ in range(config.streams)
        ]
        self._sent = itertools.count()
        self._descriptions = Batcher[None, pb.DescribeResponse](self._describe)
        self._described: pb.DescribeResponse | None = None

    async def describe(self) -> pb.DescribeResponse:
        """The engine as it first described itself: its kind does not change under a worker."""
        if self._described is None:
            self._described = await self._descriptions.call(None)
        return self._described

    async def _describe(self, asked: list[None]) -> list[pb.DescribeResponse]:
        async with translated():
            return [await self._stub.Describe(pb.DescribeRequest())] * len(asked)

    async def generate(self, prompt: pb.Prompt) -> pb.Response:
        """One response. The request id becomes unique, for a prompt may be sent again while the engine
        still works on it."""
        sent = pb.Prompt()
        sent.CopyFrom(prompt)
        sent.request_id = f"{prompt.request_id}~{next(self._sent)}"
        stream = min(self._streams, key=len)
        return await stream.call(sent.request_id, sent, sent.ByteSize())

    async def close(self) -> None:
        for stream in self._streams:
            await stream.close()
        await self._channel.close()


def _pack(prompts: list[pb.Prompt]) -> pb.GenerateStreamRequest:
    return pb.GenerateStreamRequest(prompts=prompts)


def _results(answer: pb.GenerateStreamResponse) -> Iterator[tuple[str, pb.Response | Exception]]:
    for result in answer.results:
        failed = result.WhichOneof("result") == "error"
        yield result.request_id, error_of(result.error) if failed else result.response
