"""The stack under fire: real processes under the real supervisor, each pair of them with a wire between."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from farfield_cli.stack.child import Child, State
from farfield_cli.stack.program import Program
from farfield_cli.stack.supervisor import Supervisor
from tests.chaos.plan import Plan
from tests.chaos.settings import Setting, dying
from tests.chaos.wire import Wire

LEASE_SECONDS = 4
"""Of claimed episodes and of sessions."""
WORKERS = ("worker.0", "worker.1")
ENVIRONMENTS = ("environment.0", "environment.1")
SERVICES = (*WORKERS, *ENVIRONMENTS, "verifier", "policy", "trainer", "redis")


@dataclass(frozen=True, slots=True)
class Stack:
    supervisor: Supervisor
    setting: Setting
    wires: dict[str, Wire]
    """By "client > server"."""
    trainer: str
    """Its address, without a wire."""
    redis: str
    """Its url, without a wire."""
    environment_metrics: tuple[str, ...]
    """Urls."""
    dies: Path
    """A file that says where the trainer is to die (`dies.py`)."""

    @property
    def processes(self) -> tuple[str, ...]:
        """Whatever may be killed."""
        return (*SERVICES, *self.special)

    @property
    def special(self) -> tuple[str, ...]:
        """Those that this setting alone has."""
        return (*self.setting.own, *self.setting.inner)

    def pid(self, name: str) -> int | None:
        """Of a process that is up."""
        inner = self.setting.inner.get(name)
        child = self._child(inner.parent if inner else name)
        if child.pid is None or child.state is not State.READY:
            return None
        if inner is None:
            return child.pid
        with contextlib.suppress(psutil.Error):  # one that ends while it is looked at
            for process in psutil.Process(child.pid).children(recursive=True):
                if inner.is_it(process):
                    return process.pid
        return None

    def _child(self, name: str) -> Child:
        return next(one for one in self.supervisor.children if one.program.name == name)


def _environment(plan: Plan, name: str) -> Program:
    metrics = plan.port()
    plan.environment_metrics += (f"http://127.0.0.1:{metrics}/metrics",)
    flags = [
        ("lease_seconds", LEASE_SECONDS),
        ("server.drain_seconds", 1),
        ("server.metrics_port", metrics),
    ]
    return plan.maker.service("environment", name, flags)


def _trainer(plan: Plan, environment: Program, verifier: Program) -> Program:
    flags = [
        ("server.drain_seconds", 10),
        plan.queue("trainer"),
        ("environment.address", plan.wire("trainer", environment)),
        ("verifier.address", plan.wire("trainer", verifier)),
        ("runs", plan.folder / "runs"),
        ("replan_seconds", 5),
    ]
    return dying(plan, plan.maker.service("trainer", "trainer", flags, stop_seconds=20))


def _worker(
    plan: Plan, name: str, environments: Sequence[Program], verifier: Program, policy: Program
) -> Program:
    addresses = ",".join(plan.wire(name, one) for one in environments)
    flags = [
        ("server.drain_seconds", 1),
        plan.queue(name),
        ("lease_seconds", LEASE_SECONDS),
        ("concurrency", 16),
        ("environment.address", addresses),
        ("verifier.address", plan.wire(name, verifier)),
        ("policy.address", plan.wire(name, policy)),
    ]
    return plan.maker.service("rollout", name, flags)


@asynccontextmanager
async def running(folder: Path, model: Path, setting: Setting) -> AsyncIterator[Stack]:
    """The stack, ready, for the length of a block."""
    plan = Plan(folder, model)
    environments = [_environment(plan, name) for name in ENVIRONMENTS]
    verifier = plan.maker.service("verifier")
    *before, policy = setting.policy(plan)
    trainer = setting.trainer(plan, _trainer(plan, environments[0], verifier))
    workers = [_worker(plan, name, environments, verifier, policy) for name in WORKERS]
    services = [*environments, verifier, policy, trainer]
    supervisor = Supervisor([[plan.redis, *before], services, workers])
    async with AsyncExitStack() as stack:
        for wire in plan.wires.values():
            await wire.start()
            stack.push_async_callback(wire.close)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        yield Stack(
            supervisor=supervisor,
            setting=setting,
            wires=plan.wires,
            trainer=trainer.address,
            redis=plan.redis_url,
            environment_metrics=plan.environment_metrics,
            dies=plan.dies,
        )
