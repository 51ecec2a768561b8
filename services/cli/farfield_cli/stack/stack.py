"""The local stack: Redis, environment and verifier for all, and per lane a policy, a trainer and workers."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from farfield_cli.secure.keyring import Keyring
from farfield_cli.secure.redis_program import secure_redis_program
from farfield_cli.stack import ports, record
from farfield_cli.stack.memory import Meter
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.program import Program
from farfield_cli.stack.readiness import serving
from farfield_cli.stack.record import LaneRecord, ProgramRecord, StackRecord
from farfield_cli.stack.redis_program import redis_program
from farfield_cli.stack.supervisor import Supervisor
from farfield_cli.ways import ways_of
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import FailedPrecondition

T = TypeVar("T")

_LEASE_SECONDS = 30
"""How long the episodes of a worker that was killed wait. Short: on one machine nobody is merely slow to
reach."""
_DRAIN_SECONDS = 2
_STOP_SECONDS, _EXTERNAL_STOP_SECONDS = 20, 60
"""The second for a policy that may have a server of its own to end."""
_TRAINER_DRAIN_SECONDS = 40
"""Half of it is for the last checkpoint."""
_PLAYED_WITH = {"environment": "environment", "verifier": "verifier"}
"""Sections of a configuration, and the programs that they are about."""


@dataclass(slots=True)
class Plan:
    """What is to run, in waves, and where it will be found."""

    waves: list[list[Program]] = field(default_factory=list)
    redis: str = ""
    environment: str = ""
    verifier: str = ""
    lanes: dict[str, LaneRecord] = field(default_factory=dict)
    keys: Path | None = None


def planned(options: StackOptions, keyring: Keyring | None = None) -> Plan:
    """Workers come last and so are stopped first, with the services still there that their episodes need."""
    maker = Maker(options, keyring)
    plan = Plan(keys=maker.keys)
    environment, verifier = maker.service("environment"), maker.service("verifier")
    plan.environment, plan.verifier = environment.address, verifier.address
    if options.model is None:
        plan.waves = [[environment, verifier]]
        return plan
    redis, plan.redis = maker.redis()
    policies = {lane: maker.policy(lane, plan) for lane in options.lanes}
    trainers = {lane: maker.trainer(lane, plan) for lane in options.lanes}
    plan.lanes = {
        lane: LaneRecord(trainer=trainers[lane].address, policy=policies[lane].address)
        for lane in options.lanes
    }
    workers = [
        maker.worker(lane, number, plan) for number in range(options.workers) for lane in options.lanes
    ]
    services = [environment, verifier, *policies.values(), *trainers.values()]
    plan.waves = [[redis], services, workers]
    return plan


MARK = "FARFIELD_STACK"
"""Variable of every process of a stack, with its state folder: says whose a process is."""


class Maker:
    """Makes the programs of one stack. Without Redis a policy follows no announcements of weights."""

    def __init__(self, options: StackOptions, keyring: Keyring | None = None) -> None:
        self._options = options
        self._keyring = keyring or (Keyring(options.state / "keys") if options.secure else None)
        self.mark = {MARK: str(options.state.resolve())}
        self._ports = (
            ports.free_ports() if options.base_port is None else ports.consecutive_ports(options.base_port)
        )

    def log(self, name: str) -> Path:
        return self._options.state / "logs" / f"{name}.log"

    @property
    def keys(self) -> Path | None:
        return self._keyring.folder if self._keyring else None

    def redis(self) -> tuple[Program, str]:
        """The server, and its url; of a secure one without a user."""
        state, log = self._options.state, self.log("redis")
        if self._keyring is None:
            return redis_program(state, log, self.mark)
        program = secure_redis_program(state, log, self.mark, self._keyring, next(self._ports))
        return program, f"rediss://{program.address}/0"

    def service(
        self,
        kind: str,
        name: str = "",
        flags: Iterable[tuple[str, object]] = (),
        stop_seconds: float = _STOP_SECONDS,
        calls: Mapping[str, str] = MappingProxyType({}),
        role: str = "",
    ) -> Program:
        """`python -m farfield_<kind>` on a port of its own. `calls`: sections of its configuration, and the
        names of whom they are about; `role`: as whom it uses Redis."""
        port = next(self._ports)
        address, name = f"{ports.HOST}:{port}", name or kind
        given = [("server.port", port), ("log_level", self._options.log_level), *flags]
        way = ClientConfig(address=address)
        if self._keyring:
            given.append(("config", self._keyring.outfit(name, calls, role)))
            way = self._keyring.command.way(name, address)
        words = [word for key, value in given for word in (f"--{key}", str(value))]

        async def ready() -> bool:
            return await serving(way)

        command = (sys.executable, "-m", f"farfield_{kind}", *words)
        return Program(
            name, command, self.log(name), ready, address, stop_seconds=stop_seconds, environment=self.mark
        )

    def policy(self, lane: str, plan: Plan) -> Program:
        flags = [
            ("server.drain_seconds", _DRAIN_SECONDS),
            ("lane", lane),
            *self._queue(plan),
            *self._engine(),
        ]
        seconds = _EXTERNAL_STOP_SECONDS if self._options.policy_config else _STOP_SECONDS
        role = "policy" if plan.redis else ""
        return self.service("policy", f"policy.{lane}", flags, seconds, role=role)

    def _queue(self, plan: Plan) -> list[tuple[str, object]]:
        """Where Redis is. What a secure stack adds to that is no matter of command lines."""
        return [("queue_url", plan.redis)] if plan.redis and self._keyring is None else []

    def _engine(self) -> list[tuple[str, object]]:
        options = self._options
        if options.policy_config:
            return [("config", options.policy_config.resolve())]
        return [
            ("engine.model", options.model),
            *([] if options.rows is None else [("engine.max_rows", options.rows)]),
            ("engine.deterministic", str(options.deterministic).lower()),
        ]

    def trainer(self, lane: str, plan: Plan) -> Program:
        flags = [
            ("server.drain_seconds", _TRAINER_DRAIN_SECONDS),
            ("lane", lane),
            *self._queue(plan),
            ("environment.address", plan.environment),
            ("verifier.address", plan.verifier),
            ("runs", runs_of(self._options, lane)),
        ]
        seconds = _TRAINER_DRAIN_SECONDS + 10
        return self.service("trainer", f"trainer.{lane}", flags, seconds, _PLAYED_WITH, "trainer")

    def worker(self, lane: str, number: int, plan: Plan) -> Program:
        flags = [
            ("server.drain_seconds", _DRAIN_SECONDS),
            ("lane", lane),
            *self._queue(plan),
            ("lease_seconds", _LEASE_SECONDS),
            ("concurrency", self._options.concurrency),
            ("environment.address", plan.environment),
            ("verifier.address", plan.verifier),
            ("policy.address", plan.lanes[lane].policy),
        ]
        calls = {**_PLAYED_WITH, "policy": f"policy.{lane}"}
        return self.service("rollout", f"worker.{lane}.{number}", flags, calls=calls, role="worker")


def runs_of(options: StackOptions, lane: str) -> Path:
    """Each trainer has a folder of its own: it takes up what it finds unfinished there."""
    runs = options.runs.resolve()
    return runs if len(options.lanes) == 1 else runs / lane


class Stack:
    """A stack that runs."""

    def __init__(self, options: StackOptions, plan: Plan) -> None:
        self.options, self.plan = options, plan
        self.supervisor = Supervisor(plan.waves, self._write)
        self.memory = Meter(self._pids)
        self._started, self._ready = time.time(), False

    async def start(self) -> None:
        await self.supervisor.start()
        self._ready = True
        self._write()

    async def beside(self, work: Awaitable[T]) -> T:
        """The work's result; its error, or that of a program that cannot be kept up."""
        meter = asyncio.create_task(self.memory.run())
        try:
            return await self.supervisor.beside(work)
        finally:
            self.memory.read()
            meter.cancel()

    def restarts(self) -> dict[str, int]:
        """Programs that died and were started again, and how often."""
        return {child.program.name: child.restarts for child in self.supervisor.children if child.restarts}

    def way(self, address: str) -> ClientConfig:
        """How what listens there is called."""
        return ways_of(self.record())(address)

    def record(self) -> StackRecord:
        return StackRecord(
            supervisor=os.getpid(),
            started_at=self._started,
            ready=self._ready,
            redis=self.plan.redis,
            environment=self.plan.environment,
            verifier=self.plan.verifier,
            lanes=self.plan.lanes,
            model=str(self.options.model or ""),
            runs=self.options.runs.resolve(),
            keys=self.plan.keys,
            programs=tuple(
                ProgramRecord(
                    name=child.program.name,
                    pid=child.pid,
                    address=child.program.address,
                    log=child.program.log,
                    state=child.state.value,
                    restarts=child.restarts,
                )
                for child in self.supervisor.children
            ),
        )

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # a full disk is no reason to take the stack down
            record.write(self.options.state, self.record())

    def _pids(self) -> Iterator[tuple[str, int]]:
        yield "farfield", os.getpid()
        for child in self.supervisor.children:
            if child.pid:
                yield child.program.name, child.pid


@asynccontextmanager
async def running(
    options: StackOptions, when_made: Callable[[Stack], None] = lambda stack: None
) -> AsyncIterator[Stack]:
    """A stack, ready, for the length of a block; nothing of it is left afterwards. `when_made` gets it before
    it starts."""
    _check(options)
    with record.locked(options.state):
        _set_logs_aside(options.state / "logs")
        stack = Stack(options, planned(options))
        when_made(stack)
        try:
            await stack.start()
            yield stack
        finally:
            await asyncio.shield(asyncio.ensure_future(stack.supervisor.stop()))
            record.clear(options.state)


def _check(options: StackOptions) -> None:
    model = options.model
    if options.policy_config:
        if len(options.lanes) > 1:
            raise FailedPrecondition(
                f"{len(options.lanes)} lanes and one --policy-config: two lanes would change the weights of "
                "one server; start a stack for each, with a --state folder of its own"
            )
        return
    if model is not None and not (model / "config.json").exists():
        raise FailedPrecondition(
            f"{model} is no checkpoint: it has no config.json. The small model of the demo is made by "
            "`make base-model`; any folder in Hugging Face format will do"
        )


def _set_logs_aside(folder: Path) -> None:
    """Each start has logs of its own; those of the one before are kept as `.log.1`."""
    for log in folder.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))
