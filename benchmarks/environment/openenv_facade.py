"""GeneralPoints through the facade for OpenEnv, beside our own gRPC stream: graded steps per second, with
services, facade and client in processes of their own.

    python -m benchmarks.environment.openenv_facade [--sessions 32] [--seconds 3] [--trials 3]

`stream` is a rollout worker's clients: steps on one stream, verdicts in batches. `facade` is the same work
behind OpenEnv's protocol, asked over one WebSocket per session by a bare client; `facade, its client` by
OpenEnv's own, where `make bench-peers` has put it. Sessions begin anew before their episodes end.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import connect

from benchmarks import peers
from benchmarks.places import RESULTS
from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.types.v1.types_pb2 import STATE_CONTINUE
from farfield.verifier.v1.verifier_pb2 import Attempt, Leaf, RewardPlan
from farfield_kernel.client import ClientConfig
from farfield_kernel.wire import struct_from
from farfield_rollout.config import RetryConfig
from farfield_rollout.environments import Environments, written
from farfield_rollout.images import ImageCache
from farfield_rollout.session import Session
from farfield_rollout.verifier import VerifierClient

OPTIONS = {"prompt": "compact", "max_turns": 100}
RESPONSE = "11 7 9 12 : ( 11 - 7 ) * 9 - 12 = 24"
EACH = 99
"""Steps before a session begins anew: the hundredth would end the episode."""
THEIRS = """
import asyncio, sys, time
from openenv.core.generic_client import GenericEnvClient
port, sessions, seconds, each, response = *map(int, sys.argv[1:5]), sys.argv[5]

async def one(number, end):
    steps = 0
    async with GenericEnvClient(base_url=f"http://127.0.0.1:{port}") as client:
        while time.perf_counter() < end:
            if steps % each == 0:
                await client.reset(seed=number)
            result = await client.step({"response": response})
            assert result.reward is not None
            steps += 1
    return steps

async def play():
    began = time.perf_counter()
    steps = sum(await asyncio.gather(*(one(number, began + seconds) for number in range(sessions))))
    print(steps / (time.perf_counter() - began))

asyncio.run(play())
"""


async def stream(environment: str, verifier: str, sessions: int, seconds: float) -> int:
    environments, judge = (
        Environments(written(ClientConfig(address=environment))),
        VerifierClient(ClientConfig(address=verifier)),
    )
    ref = EnvironmentRef(name="generalpoints", variant="id", options=struct_from(OPTIONS))
    plan = RewardPlan(leaf=Leaf(verifier="generalpoints"))

    async def one(number: int, end: float) -> int:
        steps = 0
        while time.perf_counter() < end:
            if steps % EACH == 0:
                session = Session(
                    f"{number}-{steps}", ref, number, environments.of(ref), ImageCache(0), RetryConfig()
                )
                await session.start()
            outcome = await session.step(RESPONSE)
            assert outcome.state == STATE_CONTINUE
            attempt = Attempt(
                attempt_id=session.id, response=RESPONSE, facts_json=session.facts_json, turn=outcome.turn
            )
            await judge.verify(plan, attempt)
            steps += 1
        session.close()
        return steps

    end = time.perf_counter() + seconds
    steps = sum(await asyncio.gather(*(one(number, end) for number in range(sessions))))
    await asyncio.gather(environments.close(), judge.close())
    return steps


async def facade(port: int, sessions: int, seconds: float) -> int:
    async def one(number: int, end: float) -> int:
        steps = 0
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, compression=None) as socket:
            while time.perf_counter() < end:
                if steps % EACH == 0:
                    await ask(socket, "reset", {"seed": number})
                answer = await ask(socket, "step", {"response": RESPONSE})
                assert answer["data"]["reward"] is not None
                steps += 1
        return steps

    async def ask(socket: Any, kind: str, data: dict) -> dict:
        await socket.send(json.dumps({"type": kind, "data": data}))
        return json.loads(await socket.recv())

    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(one(number, end) for number in range(sessions))))


def started(stack: ExitStack, key: str, module: str, *arguments: str) -> int:
    """A process for the length of the stack; the port that its log names."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stderr=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stderr is not None
    for line in process.stderr:
        if port := json.loads(line).get(key):
            threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            return port
    raise RuntimeError(f"{module} did not start")


def rates(environment: str, verifier: str, port: int, args: argparse.Namespace) -> dict[str, list[float]]:
    """Trials of all ways take turns, so that a busy machine is busy for all of them."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(args.trials):
        began = time.perf_counter()
        steps = uvloop.run(stream(environment, verifier, args.sessions, args.seconds))
        found["stream"].append(steps / (time.perf_counter() - began))
        began = time.perf_counter()
        steps = uvloop.run(facade(port, args.sessions, args.seconds))
        found["facade"].append(steps / (time.perf_counter() - began))
        if args.openenv:
            given = [str(one) for one in (port, args.sessions, int(args.seconds), EACH, RESPONSE)]
            done = subprocess.run(
                [args.openenv, "-c", THEIRS, *given], check=True, capture_output=True, text=True
            )
            found["facade, its client"].append(float(done.stdout))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "openenv_facade.json")
    args = parser.parse_args()
    args.openenv = peers.interpreter("openenv")
    with ExitStack() as stack:
        environment = f"127.0.0.1:{started(stack, 'port', 'farfield_environment')}"
        verifier = f"127.0.0.1:{started(stack, 'port', 'farfield_verifier')}"
        given = [
            "--name",
            "generalpoints",
            "--variant",
            "id",
            "--port",
            "0",
            "--options",
            json.dumps(OPTIONS),
        ]
        given += ["--environment", environment, "--verifier", verifier]
        port = started(stack, "openenv_port", "farfield_openenv.facade", *given)
        found = rates(environment, verifier, port, args)
    medians = {way: statistics.median(trials) for way, trials in found.items()}
    print(f"{args.sessions} sessions, graded steps per second, median of {args.trials} trials")
    for way, rate in medians.items():
        print(f"  {way:<20} {rate:8.0f}   {rate / medians['stream']:4.0%} of the stream")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"sessions": args.sessions, "seconds": args.seconds, "trials": args.trials}
    args.out.write_text(json.dumps({"settings": settings, "steps_per_second": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
