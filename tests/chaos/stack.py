"""The stack under fire: real processes under the real supervisor, each pair of them with a wire between."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from farfield_cli.child import Child
from farfield_cli.ports import free_ports
from farfield_cli.program import Program
from farfield_cli.redis_program import redis_program
from farfield_cli.stack import Maker, StackOptions
from farfield_cli.supervisor import Supervisor
from tests.chaos.wire import Wire, to_port, to_socket

LEASE_SECONDS = 4
"""Of claimed episodes and of sessions."""
LATE_SECONDS = 0.15
WORKERS = ("worker.0", "worker.1")
ENVIRONMENTS = ("environment.0", "environment.1")
_DIES = Path(__file__).parent / "dies.py"


@dataclass(frozen=True, slots=True)
class Stack:
    supervisor: Supervisor
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

    def child(self, name: str) -> Child:
        return next(one for one in self.supervisor.children if one.program.name == name)


class _Plan:
    """Programs in waves, and the wires between them."""

    def __init__(self, folder: Path, model: Path) -> None:
        options = StackOptions(folder / "state", folder / "runs", model, deterministic=True)
        self.maker = Maker(options)
        self.folder, self.model = folder, model
        self.wires: dict[str, Wire] = {}
        self.environment_metrics: tuple[str, ...] = ()
        self._ports = free_ports()
        self.redis, self.redis_url = redis_program(options.state, self.maker.log("redis"), self.maker.mark)

    def wire(self, client: str, server: Program) -> str:
        """The address by which `client` reaches `server`."""
        dial = (
            to_socket(self.redis_url.removeprefix("unix://"))
            if server is self.redis
            else to_port(int(server.address.rpartition(":")[2]))
        )
        name = f"{client} > {server.name}"
        self.wires[name] = Wire(self.port(), dial, LATE_SECONDS)
        return f"127.0.0.1:{self.wires[name].port}"

    def port(self) -> int:
        return next(self._ports)

    def queue(self, client: str) -> tuple[str, str]:
        return "queue_url", f"redis://{self.wire(client, self.redis)}/0"


def _environment(plan: _Plan, name: str) -> Program:
    metrics = plan.port()
    plan.environment_metrics += (f"http://127.0.0.1:{metrics}/metrics",)
    flags = [
        ("lease_seconds", LEASE_SECONDS),
        ("server.drain_seconds", 1),
        ("server.metrics_port", metrics),
    ]
    return plan.maker.service("environment", name, flags)


def _policy(plan: _Plan) -> Program:
    flags = [
        ("server.drain_seconds", 1),
        plan.queue("policy"),
        ("engine.model", plan.model),
        ("engine.deterministic", "true"),
    ]
    return plan.maker.service("policy", "policy", flags)


def _trainer(plan: _Plan, environment: Program, verifier: Program) -> Program:
    flags = [
        ("server.drain_seconds", 10),
        plan.queue("trainer"),
        ("environment.address", plan.wire("trainer", environment)),
        ("verifier.address", plan.wire("trainer", verifier)),
        ("runs", plan.folder / "runs"),
        ("replan_seconds", 5),
    ]
    program = plan.maker.service("trainer", "trainer", flags, stop_seconds=20)
    python, _, module, *words = program.command
    return replace(program, command=(python, str(_DIES), str(plan.folder / "dies"), module, *words))


def _worker(
    plan: _Plan, name: str, environments: Sequence[Program], verifier: Program, policy: Program
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
async def running(folder: Path, model: Path) -> AsyncIterator[Stack]:
    """The stack, ready, for the length of a block."""
    plan = _Plan(folder, model)
    environments = [_environment(plan, name) for name in ENVIRONMENTS]
    verifier, policy = plan.maker.service("verifier"), _policy(plan)
    trainer = _trainer(plan, environments[0], verifier)
    workers = [_worker(plan, name, environments, verifier, policy) for name in WORKERS]
    supervisor = Supervisor([[plan.redis], [*environments, verifier, policy, trainer], workers])
    async with AsyncExitStack() as stack:
        for wire in plan.wires.values():
            await wire.start()
            stack.push_async_callback(wire.close)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        yield Stack(
            supervisor=supervisor,
            wires=plan.wires,
            trainer=trainer.address,
            redis=plan.redis_url,
            environment_metrics=plan.environment_metrics,
            dies=plan.folder / "dies",
        )
