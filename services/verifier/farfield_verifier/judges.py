"""Where a verifier's object is asked: on the event loop, on a loop or threads of its own, in a process.

Every judge gives checked verdicts, or raises what the plugin raised.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from farfield_kernel.executors import Loop, Pools, Threads
from farfield_kernel.processes import Processes
from farfield_kernel.worker import Nonsense
from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_verifier.config import VerifierConfig
from farfield_verifier.inline import IN_CHILD, Inline, checked, each_checked, packed, unpacked

Judged = Verdict | Nonsense


class Judge(Protocol):
    """Asks one verifier object. `inline` judges answer at once, the others with an awaitable."""

    inline: bool

    def verify(self, attempt: Attempt) -> Any: ...

    def ask_many(self, method: str, attempts: Sequence[Attempt], timeout: float) -> Any:
        """By `verify_batch` or `verify_group`; as many answers as the plugin gave."""
        ...


class AsyncJudge:
    """The methods are coroutines, on the plugin's own loop."""

    inline = False

    def __init__(self, make: Callable[[], Verifier], loop: Loop, config: VerifierConfig) -> None:
        self._make, self._loop, self._config = make, loop, config
        self._verifier: Any = None

    async def verify(self, attempt: Attempt) -> Verdict:
        return await self._loop.run(self._verify, attempt, timeout=self._config.verify_timeout_seconds)

    async def ask_many(self, method: str, attempts: Sequence[Attempt], timeout: float) -> list[Judged]:
        return await self._loop.run(self._ask_many, method, attempts, timeout=timeout)

    async def _verify(self, attempt: Attempt) -> Verdict:
        return checked(await self._made().verify(attempt), self._config.max_feedback_bytes)

    async def _ask_many(self, method: str, attempts: Sequence[Attempt]) -> list[Judged]:
        given = await getattr(self._made(), method)(attempts)
        return each_checked(given, self._config.max_feedback_bytes)

    def _made(self) -> Any:
        if self._verifier is None:
            self._verifier = self._make()
        return self._verifier


class ThreadJudge:
    """Asks on a thread; one object serves all threads."""

    inline = False

    def __init__(self, make: Callable[[], Inline], threads: Threads, config: VerifierConfig) -> None:
        self._make, self._threads, self._config = make, threads, config
        self._judge: Inline | None = None

    async def verify(self, attempt: Attempt) -> Verdict:
        timeout = self._config.verify_timeout_seconds
        return await self._threads.run(lambda: self._made().verify(attempt), timeout=timeout)

    async def ask_many(self, method: str, attempts: Sequence[Attempt], timeout: float) -> list[Judged]:
        return await self._threads.run(lambda: self._made().ask_many(method, attempts), timeout=timeout)

    def _made(self) -> Inline:
        if self._judge is None:
            self._judge = self._make()
        return self._judge


class ProcessJudge:
    """Asks in a child process, which is killed when the answer is late."""

    inline = False

    def __init__(self, name: str, argument: bytes, children: "Children", config: VerifierConfig) -> None:
        self._name, self._argument, self._children, self._config = name, argument, children, config

    async def verify(self, attempt: Attempt) -> Verdict:
        answer = await self._call("verify", packed(attempt), self._config.verify_timeout_seconds)
        return checked(Verdict(**json.loads(answer)), self._config.max_feedback_bytes)

    async def ask_many(self, method: str, attempts: Sequence[Attempt], timeout: float) -> list[Judged]:
        sent = json.dumps([asdict(attempt) for attempt in attempts]).encode()
        answer = await self._call(method, sent, timeout)
        return each_checked(unpacked(answer), self._config.max_feedback_bytes)

    async def _call(self, method: str, sent: bytes, timeout: float) -> bytes:
        async with self._children.room(self._name):
            processes = self._children.processes
            process = await processes.open(self._name, IN_CHILD, self._argument, again=True)
            try:
                return await process.call(method, sent, timeout=timeout)
            finally:
                processes.release(self._name, process)


class Children:
    """The processes of all judges, and room for so many of each plugin at once."""

    def __init__(self, count: int, memory: int) -> None:
        self._count = count
        self.processes = Processes(idle=count, memory=memory)
        self._rooms: dict[str, asyncio.Semaphore] = {}

    def room(self, plugin: str) -> asyncio.Semaphore:
        if plugin not in self._rooms:
            self._rooms[plugin] = asyncio.Semaphore(self._count)
        return self._rooms[plugin]


class Bench:
    """Gives every leaf its judge, and owns the processes behind them."""

    def __init__(self, config: VerifierConfig, pools: Pools) -> None:
        self._config, self._pools = config, pools
        self._children = Children(config.processes, config.child_memory_mib)

    def judge(self, cls: type[Verifier], executor: str, options: Options) -> Judge:
        config = self._config
        if executor == "inline":
            return Inline(cls, options, config.max_feedback_bytes)
        if executor == "async":
            return AsyncJudge(lambda: cls(options), self._pools.loop(cls.name), config)
        if executor == "process":
            argument = for_child(cls, options, config.max_feedback_bytes)
            return ProcessJudge(cls.name, argument, self._children, config)
        threads = self._pools.threads(cls.name)
        return ThreadJudge(lambda: Inline(cls, options, config.max_feedback_bytes), threads, config)

    async def close(self) -> None:
        self._pools.close()
        await self._children.processes.close()


def for_child(cls: type[Verifier], options: Options, max_feedback_bytes: int) -> bytes:
    """What a child needs to make the verifier: `inline.in_child` reads it."""
    given = options.model_dump(mode="json", round_trip=True)
    return json.dumps([cls.__module__, cls.__qualname__, given, max_feedback_bytes]).encode()
