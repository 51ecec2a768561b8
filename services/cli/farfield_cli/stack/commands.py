"""`farfield up`, `down`, `status`: the local stack."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from farfield_cli.cluster.choice import chosen
from farfield_cli.interrupts import Interruptible, detach_from_terminal
from farfield_cli.runs.trainer import Trainer, bar_of, state_of
from farfield_cli.secure import command
from farfield_cli.stack import record
from farfield_cli.stack.memory import resident
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.policy_file import PolicyFile, model_in
from farfield_cli.stack.program import last_lines
from farfield_cli.stack.readiness import redis_answers, secure_redis_answers, serving
from farfield_cli.stack.record import ProgramRecord, StackRecord
from farfield_cli.stack.stack import Stack, running
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, run, say, seconds, size
from farfield_cli.ways import ways_of
from farfield_kernel.errors import FailedPrecondition, FarfieldError

Model = Annotated[Path, typer.Option(help="Checkpoint in Hugging Face format that the policies start from.")]
DEFAULT_MODEL = Path("examples/tiny/checkpoint")
Secure = Annotated[
    bool,
    typer.Option(
        "--secure", help="Certificates and a token on every link, a user of Redis for each role; made for it."
    ),
]
_DETACHED = "FARFIELD_DETACHED"
_DOWN_SECONDS = 90


def up(
    state: StateFolder = STATE,
    runs: Annotated[Path, typer.Option(help="Folder of training runs.")] = Path("runs"),
    model: Model = DEFAULT_MODEL,
    workers: Annotated[int, typer.Option(min=1, help="Rollout workers of each lane.")] = 1,
    lanes: Annotated[
        str,
        typer.Option(help="Lanes, with commas between: each has a trainer, a policy and workers of its own."),
    ] = "default",
    rows: Annotated[int, typer.Option(min=1, help="Responses that a policy decodes together.")] = 64,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Policies whose results do not depend on the batch.")
    ] = False,
    policy_config: PolicyFile = None,
    secure: Secure = False,
    base_port: Annotated[
        int | None,
        typer.Option(min=1024, max=65000, help="Use this port and those after it; else free ones."),
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    detach: Annotated[bool, typer.Option("--detach", help="Leave the stack in the background.")] = False,
) -> None:
    """Start the local stack: Redis, environment, verifier, and per lane a policy, a trainer and workers.

    Runs until Ctrl-C; with --detach until `farfield down`. A process that dies is started again.
    """
    options = StackOptions(
        state=state,
        runs=runs,
        model=model_in(policy_config) if policy_config else model,
        lanes=lane_names(lanes),
        workers=workers,
        rows=rows,
        deterministic=deterministic,
        policy_config=policy_config,
        base_port=base_port,
        secure=secure,
        log_level=log_level,
    )
    if detach:
        run(lambda _: _start_detached(options))
        return
    if os.environ.get(_DETACHED):
        detach_from_terminal()
    run(lambda interruptible: _stay_up(options, interruptible))


def lane_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise typer.BadParameter(f"{text!r}: give different names of letters and digits, e.g. --lanes rl,sft")
    return names


async def _stay_up(options: StackOptions, interruptible: Interruptible) -> None:
    began = time.monotonic()

    def made(stack: Stack) -> None:
        interruptible.hurry = stack.supervisor.kill
        say(f"starting {len(stack.supervisor.children)} processes; logs in {options.state / 'logs'}")

    async with running(options, made) as stack:
        say(f"ready after {seconds(time.monotonic() - began)}")
        _show(await _looked_at(stack.record()), [])
        say("Ctrl-C stops it. Train with `farfield train RUN.yaml`, look with `farfield status`.")
        await stack.beside(_tell_restarts(stack))


async def _tell_restarts(stack: Stack) -> None:
    told: dict[str, int] = {}
    while True:
        for name, count in stack.restarts().items():
            if count > told.get(name, 0):
                say(f"{name} ended and was started again ({count} so far); see {_log(stack, name)}")
                told[name] = count
        await asyncio.sleep(1)


def _log(stack: Stack, name: str) -> Path:
    return stack.options.state / "logs" / f"{name}.log"


async def _start_detached(options: StackOptions) -> None:
    """A supervisor in a session of its own; returns once its stack is ready."""
    record.check_free(options.state)
    log = options.state / "logs" / "supervisor.out"
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command line once more; nothing else runs yet
            [sys.executable, "-m", "farfield_cli", *(word for word in sys.argv[1:] if word != "--detach")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, _DETACHED: "1"},
        )
    try:
        while not ((found := record.read(options.state)) and found.ready):
            if child.poll() is not None:
                raise FailedPrecondition("the stack did not start:\n  " + "\n  ".join(last_lines(log, 30)))
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        child.terminate()
        raise
    _show(await _looked_at(found), [])
    say(f"It runs in the background; end it with `farfield down --state {options.state}`.")


def down(state: StateFolder = STATE) -> None:
    """Stop the local stack. A run that works is suspended, and goes on when a stack is up again."""
    found = record.read(state)
    if found is None:
        say(f"no stack runs in {state}")
        return
    os.kill(found.supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    with console.status("stopping …"):
        while record.is_locked(state) and time.monotonic() < deadline:
            time.sleep(0.1)
    if record.is_locked(state):
        os.kill(found.supervisor, signal.SIGKILL)  # its children die with it
        say(f"it did not stop within {_DOWN_SECONDS} seconds and was killed")
        return
    say("stopped")


def status(
    context: typer.Context,
    state: StateFolder = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the processes of the local stack, their health and memory, and how far its runs are; of a cluster
    its services, what they host, and its runs."""
    if choice := chosen(context):
        from farfield_cli.cluster import overview

        there = run(lambda _: overview.overview(choice))
        if as_json:
            print(json.dumps(overview.as_json(*there), indent=1))
        else:
            overview.show(*there)
        return
    found = record.read(state)
    if found is None:
        say(f"no stack runs in {state}; start one with `farfield up`")
        raise typer.Exit(1)

    async def look() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        return await asyncio.gather(_looked_at(found), _runs(found))

    rows, runs = run(lambda _: look())
    if as_json:
        print(json.dumps({"programs": rows, "runs": runs, "stack": record.as_json(found)}, indent=1))
    else:
        _show(rows, runs)


async def _looked_at(found: StackRecord) -> list[dict[str, object]]:
    health = await asyncio.gather(*(_healthy(found, program) for program in found.programs))
    return [
        {
            "name": program.name,
            "pid": program.pid,
            "address": program.address,
            "state": program.state,
            "healthy": healthy,
            "rss": resident(program.pid) if program.pid else 0,
            "restarts": program.restarts,
        }
        for program, healthy in zip(found.programs, health, strict=True)
    ]


async def _healthy(found: StackRecord, program: ProgramRecord) -> bool:
    if program.address.startswith("unix:"):
        return await redis_answers(program.address.removeprefix("unix:"))
    if found.keys and found.redis == f"rediss://{program.address}/0":
        return await secure_redis_answers(command.read(found.keys).redis)
    return await serving(ways_of(found)(program.address))


async def _runs(found: StackRecord) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    way = ways_of(found)
    for lane, where in found.lanes.items():
        try:
            async with Trainer.at(way(where.trainer)) as trainer:
                runs = await trainer.all()
        except FarfieldError:
            continue
        rows += [
            {
                "lane": lane,
                "run": one.run_id,
                "state": state_of(one),
                "update": one.update,
                "updates": one.updates,
                "episodes": one.episodes_trained,
                "failed": one.episodes_failed,
            }
            for one in runs
        ]
    return rows


def _show(rows: list[dict[str, object]], runs: list[dict[str, object]]) -> None:
    table = Table("process", "pid", "address", "health", "memory", "restarts", box=None, header_style="bold")
    for row in rows:
        health = "[green]serving[/green]" if row["healthy"] else f"[red]{row['state']}[/red]"
        memory = size(float(str(row["rss"])))
        table.add_row(
            str(row["name"]),
            str(row["pid"] or "–"),
            str(row["address"]),
            health,
            memory,
            str(row["restarts"]),
        )
    console.print(table)
    say(f"memory in all: {size(sum(float(str(row['rss'])) for row in rows))}")
    if runs:
        table = Table("lane", "run", "state", "updates", "episodes", "failed", box=None, header_style="bold")
        for row in runs:
            progress = bar_of(int(str(row["update"])), int(str(row["updates"])))
            table.add_row(
                str(row["lane"]),
                str(row["run"]),
                str(row["state"]),
                progress,
                str(row["episodes"]),
                str(row["failed"]),
            )
        console.print(table)
