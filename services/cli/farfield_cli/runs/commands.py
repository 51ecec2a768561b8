"""`farfield run`: runs of the local stack or of a cluster: submitted, looked at, followed and steered."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.cluster.choice import Choice, chosen
from farfield_cli.runs import run_file
from farfield_cli.runs.run_view import RunView
from farfield_cli.runs.table import table
from farfield_cli.runs.trainer import Trainer, is_over, state_of
from farfield_cli.runs.trainers import choose, find, of_cluster, trainers
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, fail, run, say
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import Exhausted, InvalidArgument

RunFile = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run's config; see examples/.")]
Name = Annotated[str, typer.Option(help="Id of the run.  [default: the file's name]")]
Lane = Annotated[str, typer.Option(help="Which lane, where there are several.")]
run_app = typer.Typer(no_args_is_help=True, help="Runs: submit, list, follow, stop, pause and resume them.")


@run_app.command("submit")
def submit(
    context: typer.Context, file: RunFile, name: Name = "", lane: Lane = "", state: StateFolder = STATE
) -> None:
    """Start what RUN.yaml says, and return. A run that was interrupted goes on.

    In a cluster `base` is a path of the trainer's pods, e.g. /models/base.
    """
    choice = chosen(context)

    async def work() -> None:
        config = run_file.read_for_pods(file) if choice else run_file.read(file)
        async with trainers(choice, state) as known:
            where, address = choose(known, lane)
            async with Trainer.at(address) as trainer:
                begun = await started(trainer, name or file.stem, config)
        say(
            f"run {begun.run_id} of lane {where}: {state_of(begun)}, update {begun.update} of {begun.updates}"
        )
        say(f"follow it with `{_command(choice)} run logs {begun.run_id}`")

    run(lambda _: work())


async def started(trainer: Trainer, run_id: str, config: run_file.Config) -> pb.Run:
    """The run, working: started, found at work, or taken up again. Exhausted says which other run is in the
    way, and how that is cured."""
    try:
        begun = await trainer.start(run_id, config)
        if is_over(begun) and state_of(begun) != "succeeded":
            say(f"run {run_id} had {state_of(begun)}: it goes on")
            begun = await trainer.resume(run_id)
    except Exhausted as error:
        raise Exhausted(f"the trainer is busy: {error} (`farfield run list`, `farfield run stop`)") from error
    return begun


@run_app.command("list")
def list_runs(context: typer.Context, state: StateFolder = STATE) -> None:
    """All runs that the trainers know."""

    async def known() -> list[tuple[str, pb.Run]]:
        found = []
        async with trainers(chosen(context), state) as lanes:
            for lane, address in lanes.items():
                async with Trainer.at(address) as trainer:
                    found += [(lane, one) for one in await trainer.all()]
        return found

    console.print(table(run(lambda _: known())))


@run_app.command("status")
def show_run(context: typer.Context, run_id: str, state: StateFolder = STATE) -> None:
    """What one run is and how far it is."""
    _steer(context, state, run_id, "get")


@run_app.command("stop")
def stop_run(context: typer.Context, run_id: str, state: StateFolder = STATE) -> None:
    """End a run after its present update, with a checkpoint."""
    _steer(context, state, run_id, "stop")


@run_app.command("pause")
def pause_run(context: typer.Context, run_id: str, state: StateFolder = STATE) -> None:
    """Hold a run after its present update."""
    _steer(context, state, run_id, "pause")


@run_app.command("resume")
def resume_run(context: typer.Context, run_id: str, state: StateFolder = STATE) -> None:
    """Let a paused run go on, or take up one that failed or was stopped."""
    _steer(context, state, run_id, "resume")


def _steer(context: typer.Context, state: Path, run_id: str, action: str) -> None:
    async def work() -> pb.Run:
        async with (
            trainers(chosen(context), state) as known,
            Trainer.at(known[await find(known, run_id)]) as trainer,
        ):
            one: pb.Run = await getattr(trainer, action)(run_id)
            return one

    one = run(lambda _: work())
    say(f"{one.run_id}: {state_of(one)}, {one.algorithm}, update {one.update} of {one.updates}")
    say(f"episodes: {one.episodes_trained} trained, {one.episodes_failed} failed")
    say(f"weights: version {one.version}")
    say(f"folder: {one.folder}")
    if one.error:
        fail(one.error)


@run_app.command("logs")
def logs(
    context: typer.Context,
    run_id: str,
    pods: Annotated[
        bool, typer.Option("--pods", help="The logs of the release's pods too, from now on.")
    ] = False,
    state: StateFolder = STATE,
) -> None:
    """Follow a run until it ends: its updates and evaluations, from the first on."""
    choice = chosen(context)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if not pods:
                known = await stack.enter_async_context(trainers(choice, state))
                await _show(known[await find(known, run_id)], run_id)
                return
            if choice is None:
                raise InvalidArgument(f"--pods is about a cluster; here, logs are in {state / 'logs'}")
            from farfield_cli.cluster.place import connected
            from farfield_cli.cluster.pods import followed

            cluster = await stack.enter_async_context(connected(choice))
            known = await of_cluster(cluster)
            await followed(cluster, _show(known[await find(known, run_id)], run_id), say)

    run(lambda _: work())


async def _show(address: ClientConfig, run_id: str) -> None:
    """Its reports as lines, until it ends."""
    async with Trainer.at(address) as trainer:
        view = RunView(console, run_id, {"updates": (await trainer.get(run_id)).updates})
        async for answer in trainer.watch(run_id, away=lambda why: say(f"the trainer is away: {why}")):
            view.observe(answer)


def _command(choice: Choice | None) -> str:
    return f"farfield --context {choice.context}" if choice else "farfield"
