"""The client of one verifier: attempts of concurrent episodes under one reward plan go out as one call."""

import itertools
from typing import Any

from farfield.types.v1.types_pb2 import Verdict
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1 import verifier_pb2_grpc
from farfield_kernel.batching import Batcher, by_key
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import (
    FarfieldError,
    InvalidArgument,
    NotFound,
    PluginFailure,
    error_of,
    translated,
)
from farfield_rollout.answers import checked_verdict

_Item = tuple[pb.RewardPlan, pb.Attempt]


class VerifierClient:
    def __init__(self, config: ClientConfig) -> None:
        self.load = 0
        """Attempts that are being judged."""
        self._channel = channel(config)
        self._stub: Any = verifier_pb2_grpc.VerifierServiceStub(self._channel)
        self._batcher = Batcher[_Item, Verdict](self._send)

    async def verify(self, plan: pb.RewardPlan, attempt: pb.Attempt) -> Verdict:
        """The verdict. NotFound and InvalidArgument are about the plan; an attempt that cannot be
        judged is a PluginFailure."""
        self.load += 1
        try:
            return await self._batcher.call((plan, attempt))
        finally:
            self.load -= 1

    async def close(self) -> None:
        await self._channel.close()

    async def _send(self, items: list[_Item]) -> list[Verdict | Exception]:
        return await by_key(items, lambda item: item[0].SerializeToString(deterministic=True), self._judge)

    async def _judge(self, items: list[_Item]) -> list[Verdict | Exception]:
        numbers = itertools.count()
        attempts = [pb.Attempt() for _ in items]
        for copy, (_, attempt) in zip(attempts, items, strict=True):
            copy.CopyFrom(attempt)
            copy.attempt_id = f"{attempt.attempt_id}~{next(numbers)}"  # one call may hold an attempt twice
        async with translated():
            answer = await self._stub.Verify(pb.VerifyRequest(plan=items[0][0], attempts=attempts))
        results = {result.attempt_id: _verdict(result) for result in answer.results}
        missing = PluginFailure("the verifier left the attempt out of its answer")
        return [results.get(attempt.attempt_id, missing) for attempt in attempts]


def _verdict(result: pb.VerifyResult) -> Verdict | FarfieldError:
    if result.WhichOneof("result") == "verdict":
        try:
            return checked_verdict(result.verdict)
        except PluginFailure as nonsense:
            return nonsense
    error = error_of(result.error)
    if isinstance(error, NotFound | InvalidArgument):
        return PluginFailure(f"not judged: {error}")
    return error
