"""Where a verifier's object is asked: on the event loop, on a loop or thread of its own, in a process.

Every judge gives a checked verdict, or raises what the plugin raised.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from farfield_kernel.executors import Loop, Threads
from farfield_kernel.processes import Processes
from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_verifier.config import VerifierConfig
from farfield_verifier.inline import IN_CHILD, Inline, checked, packed


class Judge(Protocol):
    """Asks one verifier object. `inline` judges answer at once, the others with an awaitable."""

    inline: bool

    def verify(self, attempt: Attempt) -> Any: ...


class AsyncJudge:
    """`verify` is a coroutine, on the plugin's own loop."""

    inline = False

    def __init__(self, make: Callable[[], Verifier], loop: Loop, config: VerifierConfig) -> None:
        self._make, self._loop, self._config = make, loop, config
        self._verifier: Any = None

    async def verify(self, attempt: Attempt) -> Verdict:
        return await self._loop.run(self._verify, attempt, timeout=self._config.verify_timeout_seconds)

    async def _verify(self, attempt: Attempt) -> Verdict:
        if self._verifier is None:
            self._verifier = self._make()
        given = await self._verifier.verify(attempt)
        return checked(given, self._config.max_feedback_bytes)


class ThreadJudge:
    """Asks on a thread; one object serves all threads."""

    inline = False

    def __init__(self, make: Callable[[], Inline], threads: Threads, config: VerifierConfig) -> None:
        self._make, self._threads, self._config = make, threads, config
        self._judge: Inline | None = None

    async def verify(self, attempt: Attempt) -> Verdict:
        return await self._threads.run(self._verify, attempt, timeout=self._config.verify_timeout_seconds)

    def _verify(self, attempt: Attempt) -> Verdict:
        if self._judge is None:
            self._judge = self._make()
        return self._judge.verify(attempt)


class ProcessJudge:
    """Asks in a child process, which is killed when the verdict is late."""

    inline = False

    def __init__(self, name: str, argument: bytes, children: "Children", config: VerifierConfig) -> None:
        self._name, self._argument, self._children, self._config = name, argument, children, config

    async def verify(self, attempt: Attempt) -> Verdict:
        sent = packed(attempt)
        async with self._children.room:
            processes = self._children.processes
            process = await processes.open(self._name, IN_CHILD, self._argument, again=True)
            try:
                answer = await process.call("verify", sent, timeout=self._config.verify_timeout_seconds)
            finally:
                processes.release(self._name, process)
        return checked(Verdict(**json.loads(answer)), self._config.max_feedback_bytes)


class Children:
    """The processes of all judges, and room for so many at once."""

    def __init__(self, count: int) -> None:
        self.processes = Processes(idle=count)
        self.room = asyncio.Semaphore(count)


class Bench:
    """Gives every leaf its judge, and owns the threads, loops and processes behind them."""

    def __init__(self, config: VerifierConfig, threads: Threads) -> None:
        self._config = config
        self._threads, self._children = threads, Children(config.processes)
        self._loops: dict[str, Loop] = {}

    def judge(self, cls: type[Verifier], executor: str, options: Options) -> Judge:
        config = self._config
        if executor == "inline":
            return Inline(cls, options, config.max_feedback_bytes)
        if executor == "async":
            return AsyncJudge(lambda: cls(options), self._loop(cls.name), config)
        if executor == "process":
            argument = for_child(cls, options, config.max_feedback_bytes)
            return ProcessJudge(cls.name, argument, self._children, config)
        return ThreadJudge(lambda: Inline(cls, options, config.max_feedback_bytes), self._threads, config)

    def _loop(self, plugin: str) -> Loop:
        if plugin not in self._loops:
            self._loops[plugin] = Loop(plugin)
        return self._loops[plugin]

    async def close(self) -> None:
        for loop in self._loops.values():
            loop.close()
        self._threads.close()
        await self._children.processes.close()


def for_child(cls: type[Verifier], options: Options, max_feedback_bytes: int) -> bytes:
    """What a child needs to make the verifier: `inline.in_child` reads it."""
    given = options.model_dump(mode="json")
    return json.dumps([cls.__module__, cls.__qualname__, given, max_feedback_bytes]).encode()
