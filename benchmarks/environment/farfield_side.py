"""The environment service with the environments of these benchmarks, and those who play there.

    python -m benchmarks.environment.farfield_side serve
    python -m benchmarks.environment.farfield_side play PORT

A round's arguments are SESSIONS SECONDS ENVIRONMENT WAY (`player.py`). Ways to play: `worker` is the rollout
worker's own session, whose client sends the actions of one pass of its event loop in one message of a
`Rollout` stream; `stream` sends a message for each action; `unary` is a `Step` for each action; `batched` one
`Step` for all sessions, in lockstep.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from benchmarks.environment.games import OPTIONS, PLUGINS, RESPONSE, length
from benchmarks.environment.player import rounds, when_all_are_ready
from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import run
from farfield_kernel import logs, memory
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.server import ServerConfig
from farfield_kernel.wire import struct_from
from farfield_rollout.config import RetryConfig
from farfield_rollout.environments import Environments, written
from farfield_rollout.images import ImageCache
from farfield_rollout.session import Session

IMAGE_CACHE_BYTES = 256 * 1024 * 1024


def serve() -> None:
    """As its own process runs it: validation, digests, metrics and logging are on."""
    logs.setup("environment")
    config = EnvironmentConfig(server=ServerConfig(metrics_port=0, drain_seconds=0))
    classes = {cls.name: Plugin(cls, "benchmark") for cls in PLUGINS}
    uvloop.run(run(config, Loaded("benchmark", classes, {})))


def reference(environment: str) -> pb.EnvironmentRef:
    return pb.EnvironmentRef(name=environment, options=struct_from(OPTIONS.get(environment, {})))


class Worker:
    """Steps as a rollout worker's episodes make them."""

    def __init__(self, address: str, environment: str) -> None:
        self._environments = Environments(written(ClientConfig(address=address)))
        self._ref = reference(environment)
        self._cache = ImageCache(IMAGE_CACHE_BYTES)

    async def episode(self, name: str, seed: int, steps: int, end: float) -> int:
        replicas = self._environments.of(self._ref)
        session = Session(name, self._ref, seed, replicas, self._cache, RetryConfig())
        await session.start()
        done = 0
        while done < steps and time.perf_counter() < end:
            await session.step(RESPONSE)
            done += 1
        session.close()
        return done

    async def close(self) -> None:
        await self._environments.close()


Answers = dict[str, asyncio.Future[pb.StepResult]]


class Plain:
    """Steps by the contract alone: a message of a stream, or a call, for each action."""

    def __init__(self, address: str, environment: str, streams: bool) -> None:
        self._channel = channel(ClientConfig(address=address))
        self._stub: Any = environment_pb2_grpc.EnvironmentServiceStub(self._channel)
        self._ref = reference(environment)
        self._answers: Answers = {}
        self._turn = asyncio.Lock()
        self._call = self._stub.Rollout() if streams else None
        self._reader = asyncio.ensure_future(self._read()) if streams else None

    async def episode(self, name: str, seed: int, steps: int, end: float) -> int:
        await create(self._stub, self._ref, {name: seed})
        done = 0
        while done < steps and time.perf_counter() < end:
            action = pb.Action(session_id=name, turn=done, response=RESPONSE)
            check([await (self._streamed(action) if self._call else self._called(action))])
            done += 1
        await self._stub.CloseSessions(pb.CloseSessionsRequest(session_ids=[name]))
        return done

    async def close(self) -> None:
        if self._reader:
            self._reader.cancel()
        await self._channel.close()

    async def _called(self, action: pb.Action) -> pb.StepResult:
        return (await self._stub.Step(pb.StepRequest(actions=[action]))).results[0]

    async def _streamed(self, action: pb.Action) -> pb.StepResult:
        answer = self._answers[action.session_id] = asyncio.get_running_loop().create_future()
        async with self._turn:
            await self._call.write(pb.RolloutRequest(actions=[action]))
        return await answer

    async def _read(self) -> None:
        async for response in self._call:
            for result in response.results:
                self._answers.pop(result.session_id).set_result(result)


async def each(player: Worker | Plain, sessions: int, steps: int, seconds: float) -> int:
    """Sessions that each go their own way. Steps that were answered."""

    async def one(number: int, end: float) -> int:
        done = episodes = 0
        while time.perf_counter() < end:
            name = f"{time.monotonic_ns()}-{number}-{episodes}"
            done += await player.episode(name, number, steps, end)
            episodes += 1
        return done

    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(one(number, end) for number in range(sessions))))


class Lockstep:
    """One call steps all sessions."""

    def __init__(self, address: str, environment: str) -> None:
        self._channel = channel(ClientConfig(address=address))
        self._stub: Any = environment_pb2_grpc.EnvironmentServiceStub(self._channel)
        self._ref = reference(environment)

    async def all(self, sessions: int, steps: int, seconds: float) -> int:
        end, done = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            seeds = {f"{time.monotonic_ns()}-{number}": number for number in range(sessions)}
            await create(self._stub, self._ref, seeds)
            for turn in range(steps):
                actions = [pb.Action(session_id=name, turn=turn, response=RESPONSE) for name in seeds]
                done += check((await self._stub.Step(pb.StepRequest(actions=actions))).results)
                if time.perf_counter() > end:
                    break
            await self._stub.CloseSessions(pb.CloseSessionsRequest(session_ids=seeds))
        return done

    async def close(self) -> None:
        await self._channel.close()


async def create(stub: Any, ref: pb.EnvironmentRef, seeds: dict[str, int]) -> None:
    wanted = [pb.NewSession(session_id=name, seed=seed) for name, seed in seeds.items()]
    await stub.CreateSessions(pb.CreateSessionsRequest(environment=ref, sessions=wanted))


def check(results: Any) -> int:
    for result in results:
        assert result.HasField("outcome"), result.error.message
    return len(results)


Way = Callable[[str, str], Any]
WAYS: dict[str, Way] = {
    "worker": Worker,
    "stream": lambda address, environment: Plain(address, environment, streams=True),
    "unary": lambda address, environment: Plain(address, environment, streams=False),
    "batched": Lockstep,
}


async def play(port: int, sessions: int, seconds: float, environment: str, way: str) -> dict[str, float]:
    player = WAYS[way](f"127.0.0.1:{port}", environment)
    steps = length(environment)

    def going(for_seconds: float) -> Awaitable[int]:
        if isinstance(player, Lockstep):
            return player.all(sessions, steps, for_seconds)
        return each(player, sessions, steps, for_seconds)

    await going(0.1)
    measured = when_all_are_ready()
    found = measured(await going(seconds))
    await player.close()
    return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        port = int(sys.argv[2])
        memory.keep()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rounds(lambda *given: runner.run(play(port, *given)))
