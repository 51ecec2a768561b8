"""The client's end of a trainer: runs that are started, watched across restarts, and steered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from farfield_cli.ways import way_to
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import Unavailable, translated

_AGAIN_SECONDS = 0.3
_UNFINISHED = (pb.RUN_STATE_RUNNING, pb.RUN_STATE_PAUSED)


class Trainer:
    """One lane's trainer."""

    def __init__(self, stub: TrainerServiceStub, patience_seconds: float) -> None:
        self._stub, self._patience_seconds = stub, patience_seconds

    @classmethod
    @asynccontextmanager
    async def at(cls, where: str | ClientConfig, patience_seconds: float = 0.0) -> AsyncIterator["Trainer"]:
        """`patience_seconds`: how long a trainer that is away is waited for."""
        async with channel(way_to(where)) as opened:
            yield cls(TrainerServiceStub(opened), patience_seconds)

    async def start(self, run_id: str, config: Mapping[str, Any]) -> pb.Run:
        """Starts a run, or finds it as it is when it was started before with the same config."""
        request = pb.StartRunRequest(run_id=run_id, config_json=json.dumps(config))
        return (await self._patiently(self._stub.StartRun, request)).run

    async def get(self, run_id: str) -> pb.Run:
        return (await self._patiently(self._stub.GetRun, pb.GetRunRequest(run_id=run_id))).run

    async def all(self) -> list[pb.Run]:
        return list((await self._patiently(self._stub.ListRuns, pb.ListRunsRequest())).runs)

    async def pause(self, run_id: str) -> pb.Run:
        return (await self._patiently(self._stub.PauseRun, pb.PauseRunRequest(run_id=run_id))).run

    async def resume(self, run_id: str) -> pb.Run:
        return (await self._patiently(self._stub.ResumeRun, pb.ResumeRunRequest(run_id=run_id))).run

    async def stop(self, run_id: str) -> pb.Run:
        return (await self._patiently(self._stub.StopRun, pb.StopRunRequest(run_id=run_id))).run

    async def _patiently(self, method: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                async with translated():
                    return await method(request)
            except Unavailable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def watch(
        self, run_id: str, after: int = 0, away: Callable[[str], None] = lambda reason: None
    ) -> AsyncIterator[pb.WatchRunResponse]:
        """Everything that the run reports until it ends. A trainer that is away is waited for: the run goes
        on from its checkpoint, and what it plays again is reported again. `away` is told of it once."""
        told = False
        while True:
            try:
                async with translated():
                    request = pb.WatchRunRequest(run_id=run_id, after=after)
                    async for answer in self._stub.WatchRun(request):
                        after, told = max(after, answer.report.sequence), False
                        yield answer
                        if answer.run.state not in _UNFINISHED and not answer.HasField("report"):
                            return
            except Unavailable as error:
                if not told:
                    away(str(error))
                told = True
                await asyncio.sleep(_AGAIN_SECONDS)


def state_of(run: pb.Run) -> str:
    return pb.RunState.Name(run.state).removeprefix("RUN_STATE_").lower()


def is_over(run: pb.Run) -> bool:
    return run.state not in _UNFINISHED


def bar_of(done: int, total: int, width: int = 12) -> str:
    """▓▓▓░░░ 3/6"""
    if not total:
        return "evaluates"
    full = round(width * min(done, total) / total)
    return "▓" * full + "░" * (width - full) + f" {done}/{total}"
