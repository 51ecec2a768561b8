"""`farfield train`: one run on the local stack or in a cluster, watched until it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.cluster.choice import Choice, chosen
from farfield_cli.interrupts import Interruptible
from farfield_cli.runs import run_file
from farfield_cli.runs.commands import Name, RunFile, started
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.run_view import RunView
from farfield_cli.runs.trainer import Trainer, state_of
from farfield_cli.runs.trainers import choose, trainers
from farfield_cli.stack import record
from farfield_cli.stack.commands import Secure
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.policy_file import PolicyFile
from farfield_cli.stack.stack import Stack, running
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, fail, interactive, run, say
from farfield_cli.ways import ways_of
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import FailedPrecondition, NotFound

Lane = Annotated[str, typer.Option(help="Which lane of a stack that has several.")]
RunsFolder = Annotated[Path, typer.Option(help="Folder of runs, where a stack has to be started.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is played: a trainer, and the stack when it is ours."""

    trainer: ClientConfig
    state: Path
    stack: Stack | None = None


def train(
    context: typer.Context,
    file: RunFile,
    name: Name = "",
    state: StateFolder = STATE,
    lane: Lane = "",
    runs: RunsFolder = Path("runs"),
    workers: Annotated[
        int, typer.Option(min=1, help="Rollout workers, where a stack has to be started.")
    ] = 1,
    policy_config: PolicyFile = None,
    secure: Secure = False,
) -> None:
    """Train what RUN.yaml says, and show how it goes.

    Uses the stack that is up; where none is, starts one for as long as the run takes. The same command goes
    on with a run that was interrupted.
    """
    run_id, choice = name or file.stem, chosen(context)
    if choice:
        run(lambda interruptible: _train_there(choice, file, run_id, state, lane, interruptible))
    else:
        options = StackOptions(
            state=state, runs=runs, workers=workers, policy_config=policy_config, secure=secure
        )
        run(lambda interruptible: _train(file, run_id, lane, options, interruptible))


async def _train_there(
    choice: Choice, file: Path, run_id: str, state: Path, lane: str, interruptible: Interruptible
) -> None:
    """In a cluster: a run that is submitted, and watched."""
    config = run_file.read_for_pods(file)
    async with trainers(choice, state) as known:
        _, address = choose(known, lane)
        done = await _watch(Place(address, state), run_id, config, interruptible)
    _say_end(done)


async def _train(
    file: Path, run_id: str, lane: str, options: StackOptions, interruptible: Interruptible
) -> None:
    config = run_file.read(file)
    async with _place(config, lane, options, interruptible) as place:
        done = await _played(place, run_id, config, interruptible)
    _say_end(done)


@asynccontextmanager
async def _place(
    config: Config, lane: str, options: StackOptions, interruptible: Interruptible
) -> AsyncIterator[Place]:
    """A trainer of the stack that is up, or of one that is started for this run."""
    state = options.state
    found = record.read(state)
    if found:
        check_tokenizer(Path(found.model), Path(config.get("base", found.model)))
        yield Place(ways_of(found)(_trainer_of(found, lane)), state)
        return
    if "base" not in config:
        raise FailedPrecondition("the run config names no checkpoint: write base: PATH")
    deterministic = bool(config.get("deterministic", False))
    options = replace(options, model=Path(config["base"]), deterministic=deterministic)

    def made(stack: Stack) -> None:
        interruptible.hurry = stack.supervisor.kill
        say(f"no stack is up: starting one for this run ({len(stack.supervisor.children)} processes) …")

    async with running(options, made) as stack:
        yield Place(stack.way(stack.plan.lanes["default"].trainer), state, stack)


def check_tokenizer(served: Path, base: Path) -> None:
    """A policy keeps the tokenizer that it started with, whatever weights it is given."""
    theirs, ours = served / "tokenizer.json", base / "tokenizer.json"
    if theirs.is_file() and ours.is_file() and theirs.read_bytes() != ours.read_bytes():
        raise FailedPrecondition(
            f"the stack's policies speak the tokenizer of {served}, and {base} has another: start a stack "
            f"with --model {base} (and another --state folder, to keep both)"
        )


def _trainer_of(found: record.StackRecord, lane: str) -> str:
    if not found.lanes:
        raise FailedPrecondition("the stack that is up has no trainer; stop it with `farfield down`")
    if lane and lane not in found.lanes:
        raise NotFound(f"the stack has no lane '{lane}'; it has {', '.join(found.lanes)}")
    return found.lanes[lane or next(iter(found.lanes))].trainer


async def _played(place: Place, run_id: str, config: Config, interruptible: Interruptible) -> pb.Run:
    work = _watch(place, run_id, config, interruptible)
    return await (place.stack.beside(work) if place.stack else record.while_up(place.state, work))


async def _watch(place: Place, run_id: str, config: Config, interruptible: Interruptible) -> pb.Run:
    async with Trainer.at(place.trainer) as trainer:
        await started(trainer, run_id, config)
        asked = asyncio.Event()
        if place.stack is None and interactive():
            interruptible.on_first = lambda: _first_time(asked)
        view = RunView(console, run_id, config)
        with view.showing():
            watching = asyncio.ensure_future(_until_end(trainer, run_id, view))
            asking = asyncio.ensure_future(_ask_once(trainer, run_id, asked))
            try:
                await asyncio.wait({watching, asking}, return_when=asyncio.FIRST_COMPLETED)
                if asking.done():
                    asking.result()
                await watching
            finally:
                watching.cancel()
                asking.cancel()
        return await trainer.get(run_id)


def _first_time(asked: asyncio.Event) -> bool:
    first = not asked.is_set()
    asked.set()
    return first


async def _until_end(trainer: Trainer, run_id: str, view: RunView) -> None:
    async for answer in trainer.watch(run_id):
        view.observe(answer)


async def _ask_once(trainer: Trainer, run_id: str, asked: asyncio.Event) -> None:
    """Ctrl-C on a stack that others may use: stop the run after its present update. A second one leaves."""
    await asked.wait()
    await trainer.stop(run_id)
    say("stopping the run after its present update (Ctrl-C again leaves it to itself)")


def _say_end(done: pb.Run) -> None:
    if state_of(done) == "failed":
        fail(f"run {done.run_id} failed: {done.error}")
        raise typer.Exit(1)
    say(f"run {done.run_id} {state_of(done)} after update {done.update}; everything is in {done.folder}")
