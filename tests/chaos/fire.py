"""One deterministic run, left alone or under fire: `python -m tests.chaos.fire --faults 210`."""

import argparse
import asyncio
import contextlib
import hashlib
import json
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import redis.asyncio

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import Trainer, is_over
from tests.chaos.faults import Fault, Fire, plan
from tests.chaos.ledger import Injected, Ledger
from tests.chaos.settings import SETTINGS, Setting
from tests.chaos.stack import Stack, running

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "examples" / "tiny" / "checkpoint"
RUN = "under-fire"
GROUPS, GROUP_SIZE = 8, 4
_POLL_SECONDS = 0.05
_GONE_SECONDS = 30.0
"""How long sessions that a killed worker left may live on: longer than their lease."""


def config(updates: int) -> dict[str, Any]:
    return {
        "base": str(MODEL),
        "environment": {
            "name": "generalpoints",
            "variant": "id",
            "options": {"prompt": "compact", "max_turns": 3},
        },
        "reward": {"leaf": {"verifier": "generalpoints"}},
        "sampling": {"max_new_tokens": 40},
        "algorithm": {"kind": "rl", "advantage": {"estimator": "grpo"}},
        "deterministic": True,
        "updates": updates,
        "batch": {"groups": GROUPS, "group_size": GROUP_SIZE},
        "checkpoint": {"every": 1},
    }


class Clock:
    """How many trajectories were committed so far, by Redis: what happens is timed by progress, not by
    seconds. After a wipe some are counted twice."""

    def __init__(self, url: str) -> None:
        self._redis = redis.asyncio.from_url(url, socket_timeout=1)
        self._seen = self.committed = 0
        self.moved = asyncio.Condition()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await self._look()
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> None:
        info = await self._redis.xinfo_stream(f"farfield:{{{RUN}}}:trajectories")
        added = int(info["entries-added"])
        new, self._seen = max(0, added - self._seen), added
        if new:
            async with self.moved:
                self.committed += new
                self.moved.notify_all()

    async def reach(self, committed: int) -> None:
        async with self.moved:
            await self.moved.wait_for(lambda: self.committed >= committed)

    async def close(self) -> None:
        await self._redis.aclose()


async def _fault(
    fire: Fire, clock: Clock, fault: Fault, number: int, after: int, done: list[Injected]
) -> None:
    await clock.reach(after)
    before, began = clock.committed, time.monotonic()
    await fire.do(fault)
    await clock.reach(before + 1)
    seconds = time.monotonic() - began
    print(f"{number:>4}  {fault.kind:<12} {fault.target:<28} healed after {seconds:5.1f} s", flush=True)
    done.append(Injected(fault, before, round(seconds, 2)))


async def _burn(stack: Stack, count: int, seed: int, done: list[Injected]) -> None:
    """Adds the faults to `done` as they heal, until it is cancelled."""
    clock, fire, pace = Clock(stack.redis), Fire(stack), stack.setting.pace
    faults = plan(count, seed, sorted(stack.wires), stack.processes, stack.special)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(clock.run())
            for number, fault in enumerate(faults, 1):
                group.create_task(_fault(fire, clock, fault, number, number * pace, done))
    finally:
        await clock.close()


async def _ended(trainer: Trainer) -> pb.Run:
    while not is_over(run := await trainer.get(RUN)):  # noqa: ASYNC110 - a trainer is asked
        await asyncio.sleep(0.5)
    return run


async def play(folder: Path, setting: Setting, updates: int, faults: int, seed: int) -> Ledger:
    """The run to its end, with so many faults."""
    async with (
        running(folder, MODEL, setting) as stack,
        Trainer.at(stack.trainer, patience_seconds=120) as trainer,
    ):
        began = time.monotonic()
        await trainer.start(RUN, config(updates))
        injected: list[Injected] = []
        burning = asyncio.ensure_future(_burn(stack, faults, seed, injected))
        run = await stack.supervisor.beside(_ended(trainer))
        burning.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # a fault that could not be done ends the test
            await burning
        assert run.state == pb.RUN_STATE_SUCCEEDED, f"{RUN}: {pb.RunState.Name(run.state)} {run.error}"
        seconds = time.monotonic() - began
        return Ledger(
            summary=json.loads((folder / "runs" / RUN / "summary.json").read_text()),
            weights=_weights(folder),
            seconds=round(seconds, 1),
            restarts={
                child.program.name: child.restarts for child in stack.supervisor.children if child.restarts
            },
            left_in_redis=await _left(stack),
            sessions=await _sessions(stack),
            planned_faults=faults,
            faults=injected,
        )


def _weights(folder: Path) -> str:
    newest = max((folder / "runs" / RUN / "weights").glob("[0-9]*"))
    return hashlib.sha256((newest / "model.safetensors").read_bytes()).hexdigest()


async def _left(stack: Stack) -> list[str]:
    """Keys of the run; those of the lane stay."""
    async with redis.asyncio.from_url(stack.redis) as client:
        return sorted([key.decode() async for key in client.scan_iter(f"farfield:{{{RUN}}}:*")])


async def _sessions(stack: Stack) -> int:
    """Those that a killed worker left end with their lease."""
    deadline = time.monotonic() + _GONE_SECONDS
    while (left := sum(map(_held, stack.environment_metrics))) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return left


def _held(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own service
        lines = answer.read().decode().splitlines()
    held = [line for line in lines if line.startswith("farfield_environment_sessions")]
    return sum(int(float(line.split()[-1])) for line in held)


async def both(out: Path, faults: int, seed: int, setting: Setting) -> tuple[Ledger, Ledger]:
    shutil.rmtree(out, ignore_errors=True)
    updates = -(-faults * setting.pace // (GROUPS * GROUP_SIZE)) + setting.spare
    print(f"==> {updates} updates of {GROUPS * GROUP_SIZE} episodes, left alone", flush=True)
    calm = await play(out / "calm", setting, updates, 0, seed)
    print(f"    {calm.seconds} s; the same with {faults} faults", flush=True)
    fire = await play(out / "fire", setting, updates, faults, seed)
    (out / "ledger.json").write_text(json.dumps({"calm": calm.data(), "fire": fire.data()}, indent=1))
    return calm, fire


def main() -> int:
    words = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    words.add_argument("--faults", type=int, default=210)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--setting", choices=SETTINGS, default="torch")
    words.add_argument("--out", type=Path, default=Path("runs/chaos"))
    given = words.parse_args()
    folder = given.out / given.setting
    calm, fire = asyncio.run(both(folder, given.faults, given.seed, SETTINGS[given.setting]))
    episodes = fire.summary["episodes"]
    print(f"\n{fire.table()}\n")
    print(
        f"{len(fire.faults)} faults in {fire.seconds} s ({calm.seconds} s left alone); "
        f"restarts: {sum(fire.restarts.values())}"
    )
    print("episodes: " + ", ".join(f"{name} {count}" for name, count in episodes.items()))
    for wrong in fire.wrong(calm):
        print(f"WRONG: {wrong}")
    if not fire.wrong(calm):
        print("nothing lost, nothing doubled: planned = trained, and the final weights are the same bytes")
    return bool(fire.wrong(calm))


if __name__ == "__main__":
    sys.exit(main())
