"""Where a verifier's object is asked: on the event loop, on a loop or thread of its own, in a process.

Every judge gives a checked verdict, or raises what the plugin raised.
"""

import asyncio
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.executors import Loop, Threads
from farfield_kernel.processes import Processes
from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_verifier import messages
from farfield_verifier.config import VerifierConfig


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt, as it came and as a verifier sees it."""

    message: pb.Attempt
    attempt: Attempt


class Judge:
    """Asks one verifier object. `inline` judges answer at once, the others with an awaitable."""

    inline = False

    def verify(self, case: Case) -> Any:
        raise NotImplementedError


class InlineJudge(Judge):
    inline = True

    def __init__(self, cls: type[Verifier], options: Options, max_feedback_bytes: int) -> None:
        self._verifier, self._max_feedback_bytes = cls(options), max_feedback_bytes

    def verify(self, case: Case) -> Verdict:
        return messages.checked(self._verifier.verify(case.attempt), self._max_feedback_bytes)


class AsyncJudge(Judge):
    """`verify` is a coroutine, on the plugin's own loop."""

    def __init__(self, make: Callable[[], Verifier], loop: Loop, config: VerifierConfig) -> None:
        self._make, self._loop, self._config = make, loop, config
        self._verifier: Any = None

    async def verify(self, case: Case) -> Verdict:
        return await self._loop.run(self._verify, case, timeout=self._config.verify_timeout_seconds)

    async def _verify(self, case: Case) -> Verdict:
        if self._verifier is None:
            self._verifier = self._make()
        given = await self._verifier.verify(case.attempt)
        return messages.checked(given, self._config.max_feedback_bytes)


class ThreadJudge(Judge):
    def __init__(self, make: Callable[[], InlineJudge], threads: Threads, config: VerifierConfig) -> None:
        self._make, self._threads, self._config = make, threads, config
        self._judge: InlineJudge | None = None

    async def verify(self, case: Case) -> Verdict:
        return await self._threads.run(self._verify, case, timeout=self._config.verify_timeout_seconds)

    def _verify(self, case: Case) -> Verdict:
        if self._judge is None:
            self._judge = self._make()
        return self._judge.verify(case)


class ProcessJudge(Judge):
    """Asks in a child process, which is killed when the verdict is late."""

    def __init__(self, name: str, argument: bytes, children: "Children", config: VerifierConfig) -> None:
        self._name, self._argument, self._children, self._config = name, argument, children, config

    async def verify(self, case: Case) -> Verdict:
        sent = case.message.SerializeToString()
        async with self._children.room:
            processes = self._children.processes
            process = await processes.open(self._name, FACTORY, self._argument, again=True)
            try:
                answer = await process.call("verify", sent, timeout=self._config.verify_timeout_seconds)
            finally:
                processes.release(self._name, process)
        return messages.verdict_from(types_pb2.Verdict.FromString(answer))


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
            return InlineJudge(cls, options, config.max_feedback_bytes)
        if executor == "async":
            return AsyncJudge(lambda: cls(options), self._loop(cls.name), config)
        if executor == "process":
            argument = for_child(cls, options, config.max_feedback_bytes)
            return ProcessJudge(cls.name, argument, self._children, config)
        return ThreadJudge(
            lambda: InlineJudge(cls, options, config.max_feedback_bytes), self._threads, config
        )

    def _loop(self, plugin: str) -> Loop:
        if plugin not in self._loops:
            self._loops[plugin] = Loop(plugin)
        return self._loops[plugin]

    async def close(self) -> None:
        for loop in self._loops.values():
            loop.close()
        self._threads.close()
        await self._children.processes.close()


FACTORY = "farfield_verifier.judges:in_child"


def for_child(cls: type[Verifier], options: Options, max_feedback_bytes: int) -> bytes:
    """What a child needs to make the verifier: `in_child` reads it."""
    path, given = [cls.__module__, cls.__qualname__], options.model_dump(mode="json")
    return json.dumps([path, given, max_feedback_bytes]).encode()


def in_child(argument: bytes) -> "Child":
    (module, name), given, max_feedback_bytes = json.loads(argument)
    cls = getattr(importlib.import_module(module), name)
    return Child(InlineJudge(cls, cls.Options.model_validate(given), max_feedback_bytes))


class Child:
    """In the child: a judge whose argument and answer are bytes."""

    def __init__(self, judge: InlineJudge) -> None:
        self._judge = judge

    def verify(self, sent: bytes) -> bytes:
        message = pb.Attempt.FromString(sent)
        given = self._judge.verify(Case(message, messages.attempt(message)))
        return messages.verdict(given).SerializeToString()
