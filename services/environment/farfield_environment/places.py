"""Where the one object of a batched plugin is asked: here, on a loop or threads of its own, in a process.

A place answers with the contract's messages, or with the reason why there is none, for each slot. It may be
asked again only when it has answered.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment import messages
from farfield_environment.inline import for_child, made
from farfield_environment.messages import Rules
from farfield_kernel.errors import PluginFailure, error_of, status_of
from farfield_kernel.executors import Pools
from farfield_kernel.processes import Process, Processes
from farfield_kernel.worker import Nonsense
from farfield_sdk import BatchedEnvironment, Environment, Options

IN_CHILD = "farfield_environment.places:in_child"
RESET, STEP = "reset_many", "step_many"

Answer = pb.Started | pb.Outcome | Exception


class Place(Protocol):
    async def ask(self, method: str, slots: list[int], values: list[Any], timeout: float) -> list[Answer]:
        """`values` are seeds or responses."""
        ...

    def close(self) -> None: ...


def read(method: str, given: Any, rules: Rules) -> list[Answer]:
    """What a plugin's method gave, slot by slot."""
    if not isinstance(given, list | tuple):
        raise Nonsense(f"{method} answered {type(given).__name__} where a list is asked for")
    return [_read_one(method, one, rules) for one in given]


def _read_one(method: str, given: Any, rules: Rules) -> Answer:
    try:
        return messages.started(given, rules) if method == RESET else messages.outcome(given, rules)
    except Nonsense as error:
        return error


class Here:
    """On the event loop."""

    def __init__(self, cls: type[BatchedEnvironment], options: Options, rules: Rules) -> None:
        self._game, self._rules = cls(options), rules

    async def ask(self, method: str, slots: list[int], values: list[Any], timeout: float) -> list[Answer]:
        try:
            return self.ask_now(method, slots, values)
        except Exception:
            raise
        except BaseException as error:  # a plugin must not end the service
            raise RuntimeError(repr(error)) from error

    def ask_now(self, method: str, slots: Sequence[int], values: Sequence[Any]) -> list[Answer]:
        return read(method, getattr(self._game, method)(slots, values), self._rules)

    def close(self) -> None:
        pass


class OnThread:
    def __init__(self, cls: type[BatchedEnvironment], options: Options, rules: Rules, pools: Pools) -> None:
        self._make = lambda: Here(cls, options, rules)
        self._threads = pools.threads(cls.name)
        self._here: Here | None = None

    async def ask(self, method: str, slots: list[int], values: list[Any], timeout: float) -> list[Answer]:
        return await self._threads.run(self._ask, method, slots, values, timeout=timeout)

    def _ask(self, method: str, slots: list[int], values: list[Any]) -> list[Answer]:
        if self._here is None:
            self._here = self._make()
        return self._here.ask_now(method, slots, values)

    def close(self) -> None:
        self._here = None


class OnLoop:
    """The plugin's methods are coroutines."""

    def __init__(self, cls: type[BatchedEnvironment], options: Options, rules: Rules, pools: Pools) -> None:
        self._cls, self._options, self._rules = cls, options, rules
        self._loop = pools.loop(cls.name)
        self._game: Any = None

    async def ask(self, method: str, slots: list[int], values: list[Any], timeout: float) -> list[Answer]:
        return await self._loop.run(self._ask, method, slots, values, timeout=timeout)

    async def _ask(self, method: str, slots: list[int], values: list[Any]) -> list[Answer]:
        if self._game is None:
            self._game = self._cls(self._options)
        return read(method, await getattr(self._game, method)(slots, values), self._rules)

    def close(self) -> None:
        self._game = None


class InProcess:
    """In a child, which is killed when a call is late."""

    def __init__(
        self, cls: type[BatchedEnvironment], options: Options, rules: Rules, processes: Processes
    ) -> None:
        self._name, self._argument = cls.name, for_child(cls, options, rules)
        self._processes = processes
        self._process: Process | None = None

    async def ask(self, method: str, slots: list[int], values: list[Any], timeout: float) -> list[Answer]:
        if self._process is None:
            self._process = await self._processes.open(self._name, IN_CHILD, self._argument)
        sent = json.dumps([slots, values]).encode()
        return _unpacked(await self._process.call(method, sent, timeout=timeout))

    def close(self) -> None:
        if self._process:
            self._processes.release(self._name, self._process)
            self._process = None


def in_child(argument: bytes) -> "Child":
    return Child(*made(argument))


class Child:
    """In the child: the plugin's object, spoken to in bytes."""

    def __init__(self, cls: type[Environment], options: Options, rules: Rules) -> None:
        assert issubclass(cls, BatchedEnvironment)  # noqa: S101 — no other is sent here
        self._here = Here(cls, options, rules)

    def reset_many(self, sent: bytes) -> bytes:
        return _packed(self._here.ask_now(RESET, *json.loads(sent)))

    def step_many(self, sent: bytes) -> bytes:
        return _packed(self._here.ask_now(STEP, *json.loads(sent)))


def _packed(answers: Sequence[Answer]) -> bytes:
    """The message that holds starts, outcomes and errors is the one of restored sessions."""
    return pb.RestoreSessionsResponse(results=map(_result, answers)).SerializeToString()


def _result(answer: Answer) -> pb.RestoreResult:
    if isinstance(answer, pb.Started):
        return pb.RestoreResult(started=answer)
    if isinstance(answer, pb.Outcome):
        return pb.RestoreResult(outcome=answer)
    return pb.RestoreResult(error=status_of(PluginFailure(f"{type(answer).__name__}: {answer}")))


def _unpacked(sent: bytes) -> list[Answer]:
    answers: list[Answer] = []
    for result in pb.RestoreSessionsResponse.FromString(sent).results:
        if result.HasField("error"):
            answers.append(error_of(result.error))
        else:
            answers.append(result.started if result.HasField("started") else result.outcome)
    return answers
