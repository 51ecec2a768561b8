"""Where one session's plugin object sits: on the event loop, on a loop or thread of its own, in a process.

Every seat answers with the contract's messages, so that what crosses a process is their bytes, and a
plugin's types never leave the place where it runs.
"""

from typing import Any, Protocol

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment import messages
from farfield_environment.catalog import Resolved
from farfield_environment.cohorts import Cohorts, SharedSeat
from farfield_environment.config import EnvironmentConfig
from farfield_environment.inline import IN_CHILD, InlineSeat, for_child
from farfield_kernel.errors import Unavailable
from farfield_kernel.executors import Loop, Pools, Threads
from farfield_kernel.processes import Process, Processes
from farfield_sdk import BatchedEnvironment


class Seat(Protocol):
    """`inline` seats answer at once; the others with an awaitable."""

    inline: bool

    def start(self, seed: int) -> Any: ...

    def step(self, response: str) -> Any: ...

    def close(self) -> None: ...


class AsyncSeat:
    """The plugin's methods are coroutines, on the plugin's own loop."""

    inline = False

    def __init__(self, resolved: Resolved, loop: Loop, config: EnvironmentConfig) -> None:
        self._resolved, self._loop, self._config = resolved, loop, config
        self._game: Any = None

    async def start(self, seed: int) -> pb.Started:
        return await self._loop.run(self._start, seed, timeout=self._config.start_timeout_seconds)

    async def step(self, response: str) -> pb.Outcome:
        return await self._loop.run(self._step, response, timeout=self._config.step_timeout_seconds)

    def close(self) -> None:
        self._game = None

    async def _start(self, seed: int) -> pb.Started:
        self._game = self._resolved.hosted.cls(self._resolved.options)
        return messages.started(await self._game.reset(seed), self._resolved.hosted.rules)

    async def _step(self, response: str) -> pb.Outcome:
        return messages.outcome(await self._game.step(response), self._resolved.hosted.rules)


class ThreadSeat:
    """An inline seat behind a thread."""

    inline = False

    def __init__(self, resolved: Resolved, threads: Threads, config: EnvironmentConfig) -> None:
        self._resolved, self._threads, self._config = resolved, threads, config
        self._seat: InlineSeat | None = None

    async def start(self, seed: int) -> pb.Started:
        return await self._threads.run(self._start, seed, timeout=self._config.start_timeout_seconds)

    async def step(self, response: str) -> pb.Outcome:
        assert self._seat is not None  # noqa: S101 — a session starts before it steps
        return await self._threads.run(self._seat.step, response, timeout=self._config.step_timeout_seconds)

    def close(self) -> None:
        self._seat = None

    def _start(self, seed: int) -> pb.Started:
        self._seat = InlineSeat(
            self._resolved.hosted.cls, self._resolved.options, self._resolved.hosted.rules
        )
        return self._seat.start(seed)


class ProcessSeat:
    """An inline seat in a child process, which is killed when a call is late."""

    inline = False

    def __init__(self, resolved: Resolved, processes: Processes, config: EnvironmentConfig) -> None:
        self._resolved, self._processes, self._config = resolved, processes, config
        self._process: Process | None = None
        self._busy = self._closed = False

    async def start(self, seed: int) -> pb.Started:
        hosted = self._resolved.hosted
        argument = for_child(hosted.cls, self._resolved.options, hosted.rules)
        self._process = await self._processes.open(hosted.name, IN_CHILD, argument)
        if self._closed:
            self.close()
            raise Unavailable("the session was closed while it started")
        answer = await self._call("start", b"%d" % seed, self._config.start_timeout_seconds)
        return pb.Started.FromString(answer)

    async def step(self, response: str) -> pb.Outcome:
        answer = await self._call("step", response.encode(), self._config.step_timeout_seconds)
        return pb.Outcome.FromString(answer)

    async def _call(self, method: str, argument: bytes, timeout: float) -> bytes:
        assert self._process is not None  # noqa: S101 — a session starts before it steps
        self._busy = True
        answer = await self._process.call(method, argument, timeout=timeout)
        self._busy = False
        return answer

    def close(self) -> None:
        """A process that did not answer its last call is not used again."""
        self._closed = True
        process, self._process = self._process, None
        if process and self._busy:
            process.kill()
        elif process:
            self._processes.release(self._resolved.hosted.name, process)


class Seats:
    """Gives every session its seat, and owns the threads, loops and processes behind them."""

    def __init__(self, config: EnvironmentConfig, pools: Pools) -> None:
        self._config = config
        self.pools, self.processes = pools, Processes(config.idle_processes, config.child_memory_mib)
        self._cohorts = Cohorts(config, pools, self.processes)

    def seat(self, resolved: Resolved) -> Seat:
        hosted = resolved.hosted
        if issubclass(hosted.cls, BatchedEnvironment):
            return SharedSeat(resolved, self._cohorts)
        if hosted.executor == "inline":
            return InlineSeat(hosted.cls, resolved.options, hosted.rules)
        if hosted.executor == "async":
            return AsyncSeat(resolved, self.pools.loop(hosted.name), self._config)
        if hosted.executor == "process":
            return ProcessSeat(resolved, self.processes, self._config)
        return ThreadSeat(resolved, self.pools.threads(hosted.name), self._config)

    async def close(self) -> None:
        self.pools.close()
        await self.processes.close()
