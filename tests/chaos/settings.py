"""In what a run burns: the engine behind the policy, and the processes of the trainer."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from farfield_cli.stack.program import Program
from tests.chaos.plan import Plan

_DIES = Path(__file__).parent / "dies.py"
_START_SECONDS = 300
"""A server imports torch, on a machine that does much else."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A process that another one has started."""

    parent: str
    is_it: Callable[[psutil.Process], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """`pace`: trajectories between two faults. `spare`: updates after the last one, so that it has
    something to heal for."""

    policy: Callable[[Plan], list[Program]]
    """The policy last, and before it what it needs."""
    trainer: Callable[[Plan, Program], Program] = lambda plan, program: program
    """A trainer, of whatever dies on demand."""
    inner: Mapping[str, Inner] = field(default_factory=dict)
    """By their names as targets of faults."""
    own: tuple[str, ...] = ()
    """Further programs that are targets."""
    dying: str = "trainer"
    """Who writes checkpoints."""
    pace: int = 16
    spare: int = 6


def _policy(plan: Plan, *flags: tuple[str, object]) -> Program:
    return plan.maker.service("policy", "policy", [("server.drain_seconds", 1), plan.queue("policy"), *flags])


def _torch(plan: Plan) -> list[Program]:
    return [_policy(plan, ("engine.model", plan.model), ("engine.deterministic", "true"))]


# Engine tgi: its server is our own wire of that protocol, which the policy starts and starts again


def _tgi(plan: Plan) -> list[Program]:
    port = plan.port()
    server = [sys.executable, "-m", "farfield_policy", "--tgi_server.port", str(port)]
    server += ["--server.port", "0", "--server.drain_seconds", "0"]
    server += ["--engine.model", "{model}", "--engine.deterministic", "true", "--engine.max_rows", "16"]
    weights = {"kind": "process", "command": server, "start_seconds": _START_SECONDS}
    flags = {
        "kind": "tgi",
        "url": f"http://{plan.wire_to('policy', 'server', port)}",
        "model_path": plan.model,
        "weights": json.dumps(weights),
    }
    return [_policy(plan, *((f"engine.{key}", value) for key, value in flags.items()))]


def _serves_tgi(process: psutil.Process) -> bool:
    return "--tgi_server.port" in process.cmdline()


# Engine vllm: its server is the tests' stand-in for vLLM


def _vllm(plan: Plan) -> list[Program]:
    server = plan.server("vllm", "tests.chaos.vllm_server", str(plan.model))
    url = f"http://{plan.wire('policy', server)}"
    flags = {"kind": "vllm", "url": url, "tokenizer": plan.model, "start_seconds": _START_SECONDS}
    return [server, _policy(plan, *((f"engine.{key}", value) for key, value in flags.items()))]


# A trainer of two ranks


def _two_ranks(plan: Plan, program: Program) -> Program:
    python, *words = program.command
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1000")
    return replace(program, command=(python, *torchrun, *words))


def _rank(number: int) -> Inner:
    return Inner("trainer", lambda process: process.environ().get("RANK") == str(number))


def dying(plan: Plan, program: Program) -> Program:
    """The program, so that it dies where `plan.dies` says."""
    python, _, module, *words = program.command
    return replace(program, command=(python, str(_DIES), str(plan.dies), module, *words))


SETTINGS = {
    "torch": Setting(_torch),
    "tgi": Setting(_tgi, inner={"server": Inner("policy", _serves_tgi)}, pace=4, spare=2),
    "vllm": Setting(_vllm, own=("vllm",)),
    "ranks": Setting(
        _torch, _two_ranks, inner={"rank.0": _rank(0), "rank.1": _rank(1)}, dying="rank.0", spare=3
    ),
}
