"""What grows: `python -m tests.chaos.soak episodes` and `python -m tests.chaos.soak backpressure`.

`episodes`: so many short episodes through the environment and the verifier service; resident memory and file
descriptors of both along the way, and the slope of memory over the second half.
`backpressure`: a stack with many workers, whose trainer is then stopped (SIGSTOP) for minutes; memory of
every process and of Redis meanwhile, which admission has to bound.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import redis.asyncio

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_cli.runs.trainer import Trainer
from farfield_cli.stack.stack import Stack, StackOptions, running
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.wire import struct_from
from tests.chaos.fire import MODEL, RUN, config

_TOGETHER = 100
"""Episodes of one call."""
_RESPONSE = "2 3 4 6 : ( 2 - 3 + 4 ) * 6 = 24"
_PLAN = ver.RewardPlan(leaf=ver.Leaf(verifier="generalpoints"))


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds after `at` episodes or seconds."""

    at: float
    process: str
    resident_kib: int
    descriptors: int


def held(stack: Stack, at: float) -> list[Held]:
    found = []
    for child in stack.supervisor.children:
        if child.pid:
            process = psutil.Process(child.pid)
            own = [process, *process.children(recursive=True)]
            resident = sum(one.memory_info().rss for one in own) >> 10
            found.append(Held(at, child.program.name, resident, sum(one.num_fds() for one in own)))
    return found


def slope(points: list[Held]) -> float:
    """KiB for each thousand of `at`, by least squares over the second half."""
    half = points[len(points) // 2 :]
    mean_x = sum(one.at for one in half) / len(half)
    mean_y = sum(one.resident_kib for one in half) / len(half)
    over = sum((one.at - mean_x) * (one.resident_kib - mean_y) for one in half)
    under = sum((one.at - mean_x) ** 2 for one in half)
    return 1000 * over / under if under else 0.0


# Episodes


@asynccontextmanager
async def _stubs(stack: Stack) -> AsyncIterator[tuple[Any, Any]]:
    async with (
        channel(ClientConfig(address=stack.plan.environment)) as one,
        channel(ClientConfig(address=stack.plan.verifier)) as other,
    ):
        yield EnvironmentServiceStub(one), VerifierServiceStub(other)


async def _play(environment: Any, verifier: Any, first: int) -> None:
    """Episodes of one turn each. One in five hundred is not closed, as by a worker that died."""
    ref = env.EnvironmentRef(name="generalpoints", options=struct_from({"prompt": "compact", "max_turns": 1}))
    new = [env.NewSession(session_id=f"soak-{first + one}", seed=first + one) for one in range(_TOGETHER)]
    started = await environment.CreateSessions(env.CreateSessionsRequest(environment=ref, sessions=new))
    acting = new if first % 500 else new[:-1]
    actions = [env.Action(session_id=one.session_id, turn=0, response=_RESPONSE) for one in acting]
    stepped = await environment.Step(env.StepRequest(actions=actions))
    attempts = [
        ver.Attempt(
            attempt_id=one.session_id,
            response=_RESPONSE,
            facts_json=one.facts_json,
            state=result.outcome.state,
            success=result.outcome.success,
        )
        for one, result in zip(started.sessions, stepped.results, strict=False)
    ]
    judged = await verifier.Verify(ver.VerifyRequest(plan=_PLAN, attempts=attempts))
    assert all(result.HasField("verdict") for result in judged.results), judged
    closing = [one.session_id for one in acting]
    await environment.CloseSessions(env.CloseSessionsRequest(session_ids=closing))


async def episodes(folder: Path, count: int) -> list[Held]:
    looks = max(1, count // 40)
    found: list[Held] = []
    async with running(StackOptions(folder / "state", folder / "runs")) as stack, _stubs(stack) as stubs:
        found += held(stack, 0)
        for first in range(0, count, _TOGETHER):
            await _play(*stubs, first)
            if (first + _TOGETHER) % looks < _TOGETHER:
                found += held(stack, first + _TOGETHER)
                print(_line(found), flush=True)
        print(f"sessions left once the leases of the abandoned are over: {await _left(stubs[0])}")
        found += held(stack, count)
    return found


async def _left(environment: Any) -> int:
    """Sessions that an environment still holds when every lease has ended."""
    about = await environment.Describe(env.DescribeRequest())
    ends = time.monotonic() + 1.5 * about.lease_seconds
    while about.sessions and time.monotonic() < ends:
        await asyncio.sleep(1)
        about = await environment.Describe(env.DescribeRequest())
    return about.sessions


# Back-pressure


async def backpressure(folder: Path, seconds: int, workers: int) -> list[Held]:
    found: list[Held] = []
    options = StackOptions(folder / "state", folder / "runs", MODEL, workers=workers)
    async with running(options) as stack:
        lane = stack.plan.lanes["default"]
        async with Trainer.at(lane.trainer) as trainer:
            await trainer.start(RUN, config(10_000) | {"deterministic": False, "max_staleness": 1})
            while (await trainer.get(RUN)).update < 3:  # noqa: ASYNC110 - a trainer is asked
                await asyncio.sleep(0.5)
        stopped = next(one.pid for one in stack.supervisor.children if one.program.name.startswith("trainer"))
        os.killpg(stopped, signal.SIGSTOP)
        try:
            began = time.monotonic()
            while (at := time.monotonic() - began) < seconds:
                found += held(stack, at)
                print(f"{_line(found)}; in Redis: {await _waiting(stack)}", flush=True)
                await asyncio.sleep(seconds / 20)
        finally:
            os.killpg(stopped, signal.SIGCONT)
    return found


async def _waiting(stack: Stack) -> str:
    async with redis.asyncio.from_url(stack.plan.redis) as client:
        memory = (await client.info("memory"))["used_memory"] >> 10
        key = f"farfield:{{{RUN}}}"
        work, played = await client.xlen(f"{key}:work"), await client.xlen(f"{key}:trajectories")
        return f"work {work}, trajectories {played}, {memory} KiB"


def _line(found: list[Held]) -> str:
    last = [one for one in found if one.at == found[-1].at]
    return f"{found[-1].at:>9.0f}  " + ", ".join(
        f"{one.process} {one.resident_kib / 1024:.1f} MiB/{one.descriptors} fd" for one in last
    )


def _by_process(found: list[Held]) -> dict[str, list[Held]]:
    named: dict[str, list[Held]] = {}
    for one in found:
        named.setdefault(one.process, []).append(one)
    return named


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    words.add_argument("what", choices=["episodes", "backpressure"])
    words.add_argument("--count", type=int, default=100_000)
    words.add_argument("--seconds", type=int, default=180)
    words.add_argument("--workers", type=int, default=16)
    words.add_argument("--out", type=Path, default=Path("runs/soak"))
    asked = words.parse_args()
    if asked.what == "episodes":
        found, unit = asyncio.run(episodes(asked.out / "episodes", asked.count)), "1,000 episodes"
    else:
        played = backpressure(asked.out / "backpressure", asked.seconds, asked.workers)
        found, unit = asyncio.run(played), "1,000 seconds"
    for process, points in _by_process(found).items():
        first, last = points[0], points[-1]
        print(
            f"{process:<20} {first.resident_kib / 1024:7.1f} → {last.resident_kib / 1024:7.1f} MiB, "
            f"{first.descriptors} → {last.descriptors} descriptors; "
            f"{slope(points):+.1f} KiB per {unit} over the second half"
        )
    (asked.out / f"{asked.what}.json").write_text(json.dumps([asdict(one) for one in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
