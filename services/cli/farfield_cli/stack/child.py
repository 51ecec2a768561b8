"""One supervised process: started, watched, started again when it ends, and stopped in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from farfield_cli.stack.program import Program, last_lines
from farfield_kernel import tether
from farfield_kernel.errors import FarfieldError

_PROBE_SECONDS = 0.1
_FIRST_DELAY, _LAST_DELAY = 0.1, 5.0
_STEADY_SECONDS = 10.0
"""One that was ready for this long is not in a crash loop."""
_STRIKES_AT_START, _STRIKES = 3, 6
_BAD_CONFIGURATION = 2
"""Exit status of a service whose configuration is wrong: starting it again cannot help."""


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    """It ended and is about to be started again."""
    FAILED = "failed"
    STOPPED = "stopped"


class CrashLoop(FarfieldError):
    """A program does not stay up."""


class Child:
    """`on_change` is told of every change of state."""

    def __init__(self, program: Program, on_change: Callable[[], None]) -> None:
        self.program = program
        self.state = State.STARTING
        self.restarts = 0
        self.became_ready = asyncio.Event()
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._strikes = 0

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def run(self) -> None:
        """Keeps the program up; raises CrashLoop when that is hopeless."""
        while True:
            steady, status = await self._live_once()
            self._strikes = 1 if steady else self._strikes + 1
            self._give_up_if_hopeless(status)
            self._change(State.WAITING)
            await asyncio.sleep(min(_LAST_DELAY, _FIRST_DELAY * 2 ** (self._strikes - 1)))
            self.restarts += 1

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL for it and whatever it started. Call only once `run` is cancelled."""
        process = self._process
        if process and process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.program.stop_seconds):
                    await process.wait()
        await self._bury()
        self._change(State.STOPPED)

    def kill(self) -> None:
        """SIGKILL now."""
        self._signal(signal.SIGKILL)

    async def _live_once(self) -> tuple[bool, int]:
        """One life: whether it was steady, and its exit status."""
        self._change(State.STARTING)
        self._process = process = await _spawn(self.program)
        ended = asyncio.ensure_future(process.wait())
        try:
            if not await self._gets_ready(ended):
                await self._bury()
                return False, process.returncode or 0
            since = time.monotonic()
            self.became_ready.set()
            self._change(State.READY)
            await ended
            await self._bury()
            return time.monotonic() - since >= _STEADY_SECONDS, process.returncode or 0
        finally:
            ended.cancel()

    async def _gets_ready(self, ended: asyncio.Future[int]) -> bool:
        deadline = time.monotonic() + self.program.start_seconds
        while not ended.done() and time.monotonic() < deadline:
            if await self.program.ready() and not ended.done():
                return True
            await asyncio.wait({ended}, timeout=_PROBE_SECONDS)
        return False

    async def _bury(self) -> None:
        """Ends what is left of the process group."""
        self._signal(signal.SIGKILL)
        if self._process:
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _give_up_if_hopeless(self, status: int) -> None:
        begun = self.became_ready.is_set()
        limit = _STRIKES if begun else _STRIKES_AT_START
        if self._strikes >= limit or (status == _BAD_CONFIGURATION and not begun):
            self._change(State.FAILED)
            raise CrashLoop(_obituary(self.program, self._strikes, status))

    def _change(self, state: State) -> None:
        self.state = state
        self._on_change()


async def _spawn(program: Program) -> asyncio.subprocess.Process:
    program.log.parent.mkdir(parents=True, exist_ok=True)
    tethered = [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid()), *program.command]
    with program.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *tethered,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=program.variables(),
            process_group=0,  # Ctrl-C in the terminal reaches the supervisor alone
        )


def _obituary(program: Program, strikes: int, status: int) -> str:
    how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    times = "once" if strikes == 1 else f"{strikes} times in a row"
    lines = "".join(f"\n    {line}" for line in last_lines(program.log)) or " (empty)"
    return f"{program.name} does not stay up: it ended {times} ({how}). The end of {program.log}:{lines}"
