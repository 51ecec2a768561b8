"""The faults as data, a seeded plan of them, and how each is done to a stack."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio

from tests.chaos.stack import LEASE_SECONDS, Stack
from tests.chaos.wire import Mode

_LONG_SECONDS = 2 * LEASE_SECONDS
_SHORT_SECONDS = 2.0
_WEIGHTS = {"kill": 8, "freeze": 3, "cut": 4, "silence": 2, "slow": 2}
_RARE = ("checkpoint", "acknowledge", "wipe")


@dataclass(frozen=True, slots=True)
class Fault:
    """`target`: a process, or a wire's name."""

    kind: str
    target: str
    seconds: float = 0.0


def plan(
    count: int, seed: int, wires: Sequence[str], processes: Sequence[str], surely: Sequence[str] = ()
) -> list[Fault]:
    """The same for the same arguments. One in twenty is of a rare kind, and each of those comes once. The
    first kills are of those named in `surely`."""
    chance = random.Random(seed)
    rare = [_RARE[number % len(_RARE)] for number in range(min(count, max(len(_RARE), count // 20)))]
    often = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=count - len(rare))
    kinds = rare + often
    chance.shuffle(kinds)
    faults = [_fault(kind, chance, wires, processes) for kind in kinds]
    kills = [number for number, fault in enumerate(faults) if fault.kind == "kill"]
    for number, name in zip(kills, surely, strict=False):
        faults[number] = Fault("kill", name)
    return faults


def _fault(kind: str, chance: random.Random, wires: Sequence[str], processes: Sequence[str]) -> Fault:
    if kind in ("checkpoint", "acknowledge"):
        return Fault(kind, "trainer")
    if kind == "wipe":
        return Fault(kind, "redis")
    if kind == "kill":
        return Fault(kind, chance.choice(processes))
    if kind == "freeze":
        return Fault(kind, chance.choice(processes), _LONG_SECONDS)
    return Fault(kind, chance.choice(wires), _SHORT_SECONDS)


class Fire:
    """Does faults to a stack. One process suffers one fault at a time; the next waits for its turn."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._turns = {name: asyncio.Lock() for name in (*stack.processes, *stack.wires)}

    async def do(self, fault: Fault) -> None:
        """Returns once the fault is over: the process is up again, the wire passes bytes."""
        async with self._turns[fault.target]:
            match fault.kind:
                case "kill":
                    await self._kill(fault.target)
                case "freeze":
                    await self._freeze(fault)
                case "wipe":
                    await self._wipe()
                case "checkpoint" | "acknowledge":
                    await self._die_at(fault.kind)
                case _:
                    await self._disturb(fault)

    async def _pid(self, name: str, gone: int | None = None) -> int:
        """Of the process once it is up; `gone` is not it any more."""
        while (pid := self._stack.pid(name)) in (None, gone):  # noqa: ASYNC110 - a process is waited for
            await asyncio.sleep(0.05)
        return pid or 0

    def _signal(self, name: str, pid: int, number: signal.Signals) -> None:
        """To it and what it started; one that another has started is alone."""
        with contextlib.suppress(ProcessLookupError):
            (os.kill if name in self._stack.setting.inner else os.killpg)(pid, number)

    async def _kill(self, name: str) -> None:
        pid = await self._pid(name)
        self._signal(name, pid, signal.SIGKILL)
        await self._pid(name, gone=pid)

    async def _freeze(self, fault: Fault) -> None:
        pid = await self._pid(fault.target)
        self._signal(fault.target, pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            self._signal(fault.target, pid, signal.SIGCONT)

    async def _disturb(self, fault: Fault) -> None:
        wire = self._stack.wires[fault.target]
        await wire.turn({"cut": Mode.CUT, "silence": Mode.SILENT, "slow": Mode.SLOW}[fault.kind])
        await asyncio.sleep(fault.seconds)
        await wire.turn(Mode.OPEN)

    async def _wipe(self) -> None:
        await self._pid("redis")
        async with redis.asyncio.from_url(self._stack.redis) as client:
            await client.flushall()

    async def _die_at(self, moment: str) -> None:
        """Lets the trainer die by itself; it removes the order as it dies."""
        name = self._stack.setting.dying
        pid = await self._pid(name)
        self._stack.dies.write_text(moment)
        await self._pid(name, gone=pid)
