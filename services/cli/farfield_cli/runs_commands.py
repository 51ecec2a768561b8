"""`farfield runs`: the runs that the stack's trainers know, looked at and steered."""

from pathlib import Path

import typer
from rich.table import Table

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli import record
from farfield_cli.stack_commands import StateFolder
from farfield_cli.terminal import console, fail, run, say
from farfield_cli.trainer import Trainer, bar_of, find, state_of
from farfield_kernel.errors import FailedPrecondition

runs_app = typer.Typer(
    no_args_is_help=True, help="List, show, stop, pause and resume runs of the local stack."
)


@runs_app.command("list")
def list_runs(state: StateFolder = Path(".farfield")) -> None:
    """All runs that the stack's trainers know."""

    async def known() -> list[tuple[str, pb.Run]]:
        found = []
        for lane, address in _trainers(state).items():
            async with Trainer.at(address) as trainer:
                found += [(lane, one) for one in await trainer.all()]
        return found

    table = Table("lane", "run", "kind", "state", "updates", "episodes", box=None, header_style="bold")
    for lane, one in run(lambda _: known()):
        progress, episodes = bar_of(one.update, one.updates), str(one.episodes_trained)
        table.add_row(lane, one.run_id, one.algorithm, state_of(one), progress, episodes)
    console.print(table)


@runs_app.command("show")
def show_run(run_id: str, state: StateFolder = Path(".farfield")) -> None:
    """What one run is and how far it is."""
    run(lambda _: _steer(state, run_id, "get"))


@runs_app.command("stop")
def stop_run(run_id: str, state: StateFolder = Path(".farfield")) -> None:
    """End a run after its present update, with a checkpoint."""
    run(lambda _: _steer(state, run_id, "stop"))


@runs_app.command("pause")
def pause_run(run_id: str, state: StateFolder = Path(".farfield")) -> None:
    """Hold a run after its present update."""
    run(lambda _: _steer(state, run_id, "pause"))


@runs_app.command("resume")
def resume_run(run_id: str, state: StateFolder = Path(".farfield")) -> None:
    """Let a paused run go on, or take up one that failed or was stopped."""
    run(lambda _: _steer(state, run_id, "resume"))


async def _steer(state: Path, run_id: str, action: str) -> None:
    trainers = _trainers(state)
    async with Trainer.at(trainers[await find(trainers, run_id)]) as trainer:
        one: pb.Run = await getattr(trainer, action)(run_id)
    say(f"{one.run_id}: {state_of(one)}, {one.algorithm}, update {one.update} of {one.updates}")
    say(f"episodes: {one.episodes_trained} trained, {one.episodes_failed} failed")
    say(f"weights: version {one.version}")
    say(f"folder: {one.folder}")
    if one.error:
        fail(one.error)


def _trainers(state: Path) -> dict[str, str]:
    found = record.read(state)
    if found is None:
        raise FailedPrecondition(f"no stack runs in {state}; start one with `farfield up`")
    return {lane: where.trainer for lane, where in found.lanes.items()}
