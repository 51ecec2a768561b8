"""What the environment service costs: GeneralPoints in process, and steps over gRPC beside a bare server.

    python -m benchmarks.environment.cost [--sessions 32] [--seconds 1] [--trials 3]

Validation, digests, metrics and logging are on, as in production; the client has a process of its own. Ways
to step: `batched` sends one `Step` for all sessions (lockstep); `stream` sends one message per action on one
`Rollout` stream; `stream, joined` puts the actions that are ready together in one message; `unary` is one
`Step` per session, all at once; `episodes` plays whole GeneralPoints episodes in lockstep, creating and
closing sessions included. `on threads` steps each session on a thread, `one object` all of them in one call
of a batched environment. `(bare)` is a server that answers with the same bytes and does nothing. The worker's
own client, and peers, are in `beside.py`.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc.aio
import uvloop

from benchmarks import machine
from benchmarks.environment.games import OPTIONS, RESPONSE
from benchmarks.environment.processes import Server, command
from benchmarks.places import RESULTS
from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.types.v1 import types_pb2
from farfield_generalpoints import GeneralPoints
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.wire import struct_from

Stub = environment_pb2_grpc.EnvironmentServiceStub


class Bare(environment_pb2_grpc.EnvironmentServiceServicer):
    """What gRPC alone costs: the contract's messages of the same size, and nothing behind them."""

    def __init__(self) -> None:
        shown = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[types_pb2.Part(text="you said 37")])
        observation = pb.Observation(messages=[shown])
        self._outcome = pb.Outcome(state=types_pb2.STATE_CONTINUE, observation=observation, digest="0" * 64)

    def _result(self, action: pb.Action) -> pb.StepResult:
        self._outcome.turn = action.turn
        return pb.StepResult(session_id=action.session_id, outcome=self._outcome)

    async def CreateSessions(self, request: pb.CreateSessionsRequest, context: object) -> object:
        return pb.CreateSessionsResponse()

    async def CloseSessions(self, request: pb.CloseSessionsRequest, context: object) -> object:
        return pb.CloseSessionsResponse()

    async def Step(self, request: pb.StepRequest, context: object) -> pb.StepResponse:
        return pb.StepResponse(results=[self._result(action) for action in request.actions])

    async def Rollout(
        self, requests: AsyncIterator[pb.RolloutRequest], context: object
    ) -> AsyncIterator[pb.RolloutResponse]:
        async for request in requests:
            yield pb.RolloutResponse(results=[self._result(action) for action in request.actions])


def serve_bare() -> None:
    async def run() -> None:
        server = grpc.aio.server()
        environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(Bare(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(json.dumps({"port": port}), file=sys.stderr, flush=True)
        await server.wait_for_termination()

    uvloop.run(run())


Play = Callable[[Stub, int, float], Awaitable[int]]
"""Plays so many sessions for so many seconds; how many steps were answered."""


async def create(stub: Stub, sessions: int, **environment: object) -> list[str]:
    names = [f"s{number}" for number in range(sessions)]
    wanted = [pb.NewSession(session_id=name, seed=number) for number, name in enumerate(names)]
    reference = pb.EnvironmentRef(**environment)
    await stub.CreateSessions(pb.CreateSessionsRequest(environment=reference, sessions=wanted))
    return names


def check(results: list[pb.StepResult]) -> int:
    for result in results:
        assert result.HasField("outcome"), result.error.message
    return len(results)


def batched(plugin: str) -> Play:
    async def play(stub: Stub, sessions: int, seconds: float) -> int:
        names, turn, end = await create(stub, sessions, name=plugin), 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            actions = [pb.Action(session_id=name, turn=turn, response=RESPONSE) for name in names]
            check((await stub.Step(pb.StepRequest(actions=actions))).results)
            turn += 1
        await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=names))
        return turn * sessions

    return play


def streamed(plugin: str, joined: bool) -> Play:
    async def play(stub: Stub, sessions: int, seconds: float) -> int:
        names = await create(stub, sessions, name=plugin)
        call = stub.Rollout()
        first = [pb.Action(session_id=name, turn=0, response=RESPONSE) for name in names]
        for sent in [first] if joined else [[action] for action in first]:
            await call.write(pb.RolloutRequest(actions=sent))
        steps, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            results = (await call.read()).results
            steps += check(results)
            actions = [
                pb.Action(session_id=one.session_id, turn=one.outcome.turn + 1, response=RESPONSE)
                for one in results
            ]
            for sent in [actions] if joined else [[action] for action in actions]:
                await call.write(pb.RolloutRequest(actions=sent))
        call.cancel()
        await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=names))
        return steps

    return play


def unary(plugin: str) -> Play:
    async def one(stub: Stub, name: str, end: float) -> int:
        turn = 0
        while time.perf_counter() < end:
            action = pb.Action(session_id=name, turn=turn, response=RESPONSE)
            check((await stub.Step(pb.StepRequest(actions=[action]))).results)
            turn += 1
        return turn

    async def play(stub: Stub, sessions: int, seconds: float) -> int:
        names, end = await create(stub, sessions, name=plugin), time.perf_counter() + seconds
        steps = sum(await asyncio.gather(*(one(stub, name, end) for name in names)))
        await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=names))
        return steps

    return play


async def episodes(stub: Stub, sessions: int, seconds: float) -> int:
    steps, end = 0, time.perf_counter() + seconds
    options = struct_from(OPTIONS["generalpoints"])
    while time.perf_counter() < end:
        alive = await create(stub, sessions, name="generalpoints", variant="id", options=options)
        turn = 0
        while alive:
            actions = [pb.Action(session_id=name, turn=turn, response=RESPONSE) for name in alive]
            results = (await stub.Step(pb.StepRequest(actions=actions))).results
            steps += check(results)
            alive = [one.session_id for one in results if one.outcome.state == types_pb2.STATE_CONTINUE]
            turn += 1
        names = [f"s{number}" for number in range(sessions)]
        await stub.CloseSessions(pb.CloseSessionsRequest(session_ids=names))
    return steps


WAYS: dict[str, Play] = {
    "stream": streamed("echo", joined=False),
    "stream, joined": streamed("echo", joined=True),
    "batched": batched("echo"),
    "unary": unary("echo"),
}
ON_SERVICE_ALONE: dict[str, Play] = {
    "batched, on threads": batched("threaded"),
    "batched, one object": batched("together"),
    "episodes": episodes,
    "stream, 60 KB image": streamed("picture", joined=False),
    "batched, 60 KB image": batched("picture"),
}


async def trial(server: Server, play: Play, sessions: int, seconds: float) -> tuple[float, float]:
    """Steps per second, and the server's CPU microseconds per step."""
    async with channel(ClientConfig(address=server.address)) as opened:
        await play(Stub(opened), sessions, 0.1)
        began, cpu = time.perf_counter(), server.cpu_seconds()
        steps = await play(Stub(opened), sessions, seconds)
        return steps / (time.perf_counter() - began), (server.cpu_seconds() - cpu) / steps * 1e6


async def over_grpc(sessions: int, seconds: float, trials: int) -> dict[str, dict]:
    """Trials of all ways and servers take turns, so that a busy machine is busy for all of them."""
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with Server(command("farfield_side", "serve")) as service, Server(command("cost", "serve-bare")) as bare:
        for _ in range(trials):
            for way, play in WAYS.items():
                measured[way].append(await trial(service, play, sessions, seconds))
                measured[f"{way} (bare)"].append(await trial(bare, play, sessions, seconds))
            for way, play in ON_SERVICE_ALONE.items():
                measured[way].append(await trial(service, play, sessions, seconds))
    return {
        way: {
            "steps_per_second": statistics.median(rate for rate, _ in found),
            "server_cpu_microseconds_per_step": statistics.median(cost for _, cost in found),
            "trials": [rate for rate, _ in found],
        }
        for way, found in measured.items()
    }


def in_process(seconds: float) -> dict[str, float]:
    """Microseconds of a GeneralPoints reset and step, without any service."""
    game = GeneralPoints(GeneralPoints.Options(prompt="compact", max_turns=100))
    numbers = iter(range(10**9))
    for _ in range(2000):
        game.reset(next(numbers))
    return {
        "reset_microseconds": timed(lambda: game.reset(next(numbers)), seconds),
        "step_microseconds": timed(lambda: game.step(RESPONSE), seconds),
    }


def timed(call: Callable[[], object], seconds: float) -> float:
    """Median over batches of 100 calls."""
    batches, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(100):
            call()
        batches.append((time.perf_counter() - began) / 100 * 1e6)
    return statistics.median(batches)


def show(remote: dict[str, dict]) -> None:
    print(f"  {'way':<22} {'steps/s':>9} {'server µs/step':>15} {'of bare gRPC':>13}")
    for way, row in remote.items():
        bare = remote.get(f"{way} (bare)")
        share = f"{row['steps_per_second'] / bare['steps_per_second']:13.0%}" if bare else ""
        cost = row["server_cpu_microseconds_per_step"]
        print(f"  {way:<22} {row['steps_per_second']:9.0f} {cost:15.1f} {share}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "environment_cost.json")
    args = parser.parse_args()
    report = {
        "machine": machine.about(),
        "sessions": args.sessions,
        "seconds": args.seconds,
        "trials": args.trials,
    }
    local = in_process(args.seconds)
    print("GeneralPoints in process (budget: 100 µs each)")
    for name, value in local.items():
        print(f"  {name.removesuffix('_microseconds'):<22} {value:9.1f} µs")
    print(f"over gRPC, {args.sessions} sessions, client and server in two processes")
    remote = uvloop.run(over_grpc(args.sessions, args.seconds, args.trials))
    show(remote)
    report |= {"in_process": local, "grpc": remote}
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    serve_bare() if sys.argv[1:] == ["serve-bare"] else main()
