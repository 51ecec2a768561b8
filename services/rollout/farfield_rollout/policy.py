"""The client of one policy replica: every prompt of the worker over few long-lived streams."""

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1 import policy_pb2_grpc
from farfield.types.v1.types_pb2 import Image
from farfield_kernel.client import channel
from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition, error_of, translated
from farfield_kernel.images import images_of
from farfield_rollout.answers import checked_response
from farfield_rollout.config import PolicyConfig
from farfield_rollout.exchange import Exchange

_REMEMBERED = 4096
"""Digests of images that the policy has been shown."""


class PolicyClient:
    """Images travel once: one that the policy has answered about is named by its digest from then on."""

    def __init__(self, config: PolicyConfig) -> None:
        self.load = 0
        """Conversations that are pinned here."""
        self._channel = channel(config)
        self._stub: Any = policy_pb2_grpc.PolicyServiceStub(self._channel)
        self._streams = [
            Exchange[pb.Prompt, pb.Response](
                self._stub.GenerateStream, _pack, _results, config.timeout_seconds
            )
            for _ in range(config.streams)
        ]
        self._sent = itertools.count()
        self._shown: OrderedDict[str, None] = OrderedDict()

    async def describe(self) -> pb.DescribeResponse:
        async with translated():
            return await self._stub.Describe(pb.DescribeRequest())

    async def generate(self, prompt: pb.Prompt) -> pb.Response:
        """One response; PluginFailure for one that cannot be. The request id becomes unique, for a prompt may
        be sent again while the engine still works on it."""
        digests = {image.sha256 for image in _images(prompt)}
        try:
            response = await self._send(prompt, digests & self._shown.keys())
        except FailedPrecondition as error:
            if error.reason != IMAGES_UNKNOWN:
                raise
            response = await self._send(prompt, set())  # it has started anew, or forgotten
        self._remember(digests)
        return checked_response(response, prompt)

    async def _send(self, prompt: pb.Prompt, known: set[str]) -> pb.Response:
        sent = pb.Prompt()
        sent.CopyFrom(prompt)
        sent.request_id = f"{prompt.request_id}~{next(self._sent)}"
        for image in _images(sent):
            if image.sha256 in known:
                image.ClearField("data")
        stream = min(self._streams, key=len)
        return await stream.call(sent.request_id, sent, sent.ByteSize())

    def _remember(self, digests: set[str]) -> None:
        for digest in digests:
            self._shown[digest] = None
            self._shown.move_to_end(digest)
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)

    async def close(self) -> None:
        for stream in self._streams:
            await stream.close()
        await self._channel.close()


def _images(prompt: pb.Prompt) -> list[Image]:
    return [*prompt.prefix_images, *images_of(prompt.messages)]


def _pack(prompts: list[pb.Prompt]) -> pb.GenerateStreamRequest:
    return pb.GenerateStreamRequest(prompts=prompts)


def _results(answer: pb.GenerateStreamResponse) -> Iterator[tuple[str, pb.Response | Exception]]:
    for result in answer.results:
        failed = result.WhichOneof("result") == "error"
        yield result.request_id, error_of(result.error) if failed else result.response
