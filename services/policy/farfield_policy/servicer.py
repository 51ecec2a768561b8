"""PolicyService: the contract's messages to the engine and back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from farfield.policy.v1 import policy_pb2 as pb
from farfield.policy.v1 import policy_pb2_grpc
from farfield_kernel import traces
from farfield_kernel.errors import FarfieldError, InvalidArgument, PluginFailure, Unavailable
from farfield_kernel.server import Mount
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_policy import messages
from farfield_policy.engine import Completion, Engine
from farfield_policy.weights_watch import load_verified

DRAINING = "this policy is draining: ask another replica"

Future = asyncio.Future[Completion]
log = logging.getLogger(__name__)

MOST_WAITING = 1024
"""Results that may wait for a slow reader before no more prompts are read."""


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    def __init__(self, engine: Engine, cache: WeightCache) -> None:
        self._engine, self._cache = engine, cache
        self._refusing = self._ended = False
        self._streams: set[_Stream] = set()

    def refuse(self) -> None:
        """Every prompt is told to go elsewhere from now on; what runs goes on."""
        self._refusing = True

    def end(self) -> None:
        """Ends the streams, each when its last result is out."""
        self._ended = True
        for stream in self._streams:
            stream.close()

    async def Describe(self, request: pb.DescribeRequest, context: Any) -> pb.DescribeResponse:
        return messages.description_to(self._engine.describe())

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> pb.GenerateResponse:
        futures = self._submit(request.prompts)
        try:
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
        finally:
            _cancel(futures)
        pairs = zip(request.prompts, outcomes, strict=True)
        return pb.GenerateResponse(results=[_result(one.request_id, out) for one, out in pairs])

    async def GenerateStream(
        self, requests: AsyncIterator[pb.GenerateStreamRequest], context: Any
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        if self._ended:
            raise Unavailable(DRAINING)
        stream = _Stream()
        self._streams.add(stream)
        reader = asyncio.ensure_future(self._read(requests, stream))
        try:
            async for results in stream:
                yield pb.GenerateStreamResponse(results=results)
            if reader.done():  # else it was ended from here, while the caller's side is open
                await reader
        finally:
            self._streams.discard(stream)
            reader.cancel()
            _cancel(list(stream.running))

    async def _read(self, requests: AsyncIterator[pb.GenerateStreamRequest], stream: "_Stream") -> None:
        try:
            async for request in requests:
                for prompt, future in zip(request.prompts, self._submit(request.prompts), strict=True):
                    stream.add(prompt.request_id, future)
                await stream.room()
        finally:
            stream.close()

    def _submit(self, prompts: Sequence[pb.Prompt]) -> list[Future]:
        """One future per prompt, in order; a malformed one has failed already."""
        if self._refusing:
            return [_failed(Unavailable(DRAINING)) for _ in prompts]
        futures: list[Future | None] = []
        good = []
        for prompt in prompts:
            try:
                good.append(messages.prompt_from(prompt))
                futures.append(None)
            except FarfieldError as error:
                futures.append(_failed(error))
        submitted = iter(self._engine.submit(good))
        return [future or next(submitted) for future in futures]

    async def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:
        scored = await self._engine.score([messages.forced_from(item) for item in request.items])
        pairs = zip(request.items, scored.results, strict=True)
        return pb.ScoreResponse(
            results=[messages.score_result_of(item.request_id, result) for item, result in pairs],
            weights=messages.version_to(scored.weights),
        )

    async def LoadWeights(self, request: pb.LoadWeightsRequest, context: Any) -> pb.LoadWeightsResponse:
        if not request.path:
            raise InvalidArgument("path is empty; name the folder of the weights, or their URL")
        wanted = request.weights
        swapped = await load_verified(
            self._engine, self._cache, request.path, wanted.run_id, wanted.version, wanted.digest
        )
        return pb.LoadWeightsResponse(
            weights=messages.version_to(swapped.weights),
            load_seconds=swapped.load_seconds,
            stall_seconds=swapped.stall_seconds,
        )

    async def Pause(self, request: pb.PauseRequest, context: Any) -> pb.PauseResponse:
        return pb.PauseResponse(running=await self._engine.pause(request.drain))

    async def Resume(self, request: pb.ResumeRequest, context: Any) -> pb.ResumeResponse:
        await self._engine.resume()
        return pb.ResumeResponse()


class _Stream:
    """Results of one call as they are ready; ends when it is closed and nothing runs."""

    def __init__(self) -> None:
        self.running: set[Future] = set()
        self._ready: list[pb.GenerateResult] = []
        self._closed = False
        self._news, self._taken = asyncio.Event(), asyncio.Event()

    def add(self, request_id: str, future: Future) -> None:
        self.running.add(future)
        future.add_done_callback(lambda done: self._finish(request_id, done))

    async def room(self) -> None:
        """Waits while too many results wait for a slow reader."""
        while len(self._ready) >= MOST_WAITING:
            self._taken.clear()
            await self._taken.wait()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    def _finish(self, request_id: str, future: Future) -> None:
        self.running.discard(future)
        if not future.cancelled():
            self._ready.append(_result(request_id, future.exception() or future.result()))
        self._news.set()

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> list[pb.GenerateResult]:
        while not self._ready:
            if self._closed and not self.running:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        ready, self._ready = self._ready, []
        self._taken.set()
        return ready


def _result(request_id: str, outcome: Completion | BaseException) -> pb.GenerateResult:
    """Refusals are the caller's to deal with; what failed here is ours to log."""
    if isinstance(outcome, PluginFailure):
        log.warning("prompt %s failed: %s", request_id, outcome, extra=traces.of_request(request_id))
    return messages.result_of(request_id, outcome)


def _failed(error: FarfieldError) -> Future:
    future: Future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


def _cancel(futures: list[Future]) -> None:
    """Frees the rows of whatever nobody waits for any more."""
    for future in futures:
        future.cancel()


def mount(engine: Engine, cache: WeightCache | None = None) -> Mount:
    """Without a cache, weights are loaded from folders alone."""
    return mounted(PolicyServicer(engine, cache or WeightCache(None)))


def mounted(servicer: PolicyServicer) -> Mount:
    return Mount(
        pb.DESCRIPTOR.services_by_name["PolicyService"],
        policy_pb2_grpc.add_PolicyServiceServicer_to_server,
        servicer,
    )
