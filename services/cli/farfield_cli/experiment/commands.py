"""`farfield experiment`: the papers' experiments and one's own, from a file to a report."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from farfield_cli.experiment import report_commands
from farfield_cli.experiment.definition import catalogue, plan
from farfield_cli.experiment.definition.checking import check_configs, check_plugins
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.files import read, read_file
from farfield_cli.experiment.definition.jobs import Job
from farfield_cli.experiment.definition.spec import Claim, Comparison, Fresh, Json, Measure
from farfield_cli.experiment.judging.answerable import check_claims
from farfield_cli.experiment.pages import page
from farfield_cli.experiment.playing import sharing
from farfield_cli.experiment.playing.folder import Choice, Folder
from farfield_cli.experiment.playing.runner import Means, Runner
from farfield_cli.interrupts import Interruptible
from farfield_cli.lanes.view import JobsView, plain_table
from farfield_cli.services import services
from farfield_cli.stack import record
from farfield_cli.stack.stack import Stack, running
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, run, say, seconds, size

experiment_app = typer.Typer(
    no_args_is_help=True, help="Experiments: sets of runs from one file, with claims and what controls them."
)
experiment_app.command("report")(report_commands.report)
experiment_app.command("summary")(report_commands.summary)
NameOrFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="See `farfield experiment list`.")]
Scale = Annotated[str, typer.Option(help="One of the file's scales.")]
Seeds = Annotated[int, typer.Option(min=0, show_default=False, help="How many.  [default: the file's]")]
Arms = Annotated[str, typer.Option(metavar="A,B", help="Only these, and what they start from.")]
Quick = Annotated[bool, typer.Option("--quick", help="A few episodes and updates of everything; no claim.")]
_SHOWN = 3
"""Suites that fit on a screen."""


@experiment_app.command("list")
def list_experiments() -> None:
    """The experiments of examples/experiments."""
    table = plain_table("experiment", "title", "runs", "scales")
    table.columns[1].no_wrap = table.columns[3].no_wrap = False

    async def known() -> None:
        paths = catalogue.all_files()
        table.columns[0].min_width = max(len(path.stem) for path in paths)  # a name is there to be typed
        for path in paths:
            file, found = read_file(path), read(path)
            runs = str(len(found.arms) * len(found.seeds))
            table.add_row(path.stem, file.title, runs, " ".join(file.scales))

    run(lambda _: known())
    console.print(table)


@experiment_app.command("show")
def show(name: NameOrFile, scale: Scale = "tiny") -> None:
    """What an experiment asks, plays, measures and claims."""

    async def shown() -> None:
        _show(read(catalogue.find(name), scale))

    run(lambda _: shown())


@experiment_app.command("check")
def check(
    names: Annotated[list[str], typer.Argument(metavar="NAME|FILE…")],
    state: StateFolder = STATE,
) -> None:
    """Whether files are right: every key, every name, and every option, asked of the plugins themselves."""

    async def checked() -> None:
        paths = [catalogue.find(name) for name in names]
        found = [(path, read(path, scale)) for path in paths for scale in read_file(path).scales]
        for _, one in found:
            await check_configs(one)
            check_claims(one)
        async with services(state) as both:
            for path, one in found:
                await check_plugins(one, both)
                say(f"{path}, scale {one.scale}: {len(one.arms)} arms, {len(one.claims)} claims, all right")

    run(lambda _: checked())


@experiment_app.command("plan")
def plan_runs(
    name: NameOrFile,
    out: Annotated[Path, typer.Option(help="Folder that gets a run config for each run.")],
    scale: Scale = "paper",
    seeds: Seeds = 0,
    arms: Arms = "",
    runs: Annotated[
        str, typer.Option(help="The trainer's folder of runs, as its pods see it.")
    ] = "/var/lib/farfield/runs",
) -> None:
    """Write every run's config, for `farfield --context C run submit` on a cluster."""

    async def planned() -> None:
        path = catalogue.find(name)
        found = Choice(path, scale, seeds, _names(arms)).of(read_file(path))
        await check_configs(found)
        check_claims(read(path, scale))
        for written in plan.write(found, out, runs):
            say(str(written))

    run(lambda _: planned())


@experiment_app.command("run")
def run_experiment(
    name: NameOrFile,
    scale: Scale = "tiny",
    seeds: Seeds = 0,
    arms: Arms = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of all that is made.  [default: runs/experiments/NAME-SCALE]")
    ] = None,
    quick: Quick = False,
    lanes: Annotated[int, typer.Option(min=1, help="Runs that are played side by side.")] = 2,
    workers: Annotated[int, typer.Option(min=1, help="Rollout workers of each lane.")] = 1,
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="The same seed gives the same weights bit for bit; slower."),
    ] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Play every run, also those that an experiment beside --out has.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what this experiment left in --out, and start over.")
    ] = False,
) -> None:
    """Play an experiment on this machine, with a stack of its own.

    Interrupted or killed, it goes on when the same command is given again.
    """
    run(
        lambda interruptible: _run(
            Choice(catalogue.find(name), scale, seeds, _names(arms), quick, deterministic),
            out,
            Means(lanes, workers),
            alone,
            fresh,
            interruptible,
        )
    )


async def _run(
    choice: Choice, out: Path | None, means: Means, alone: bool, fresh: bool, interruptible: Interruptible
) -> None:
    file = read_file(choice.path)
    experiment = choice.of(file)
    folder = Folder(out or Path("runs/experiments") / f"{experiment.name}-{experiment.scale}")
    record.check_free(folder.state)
    await check_configs(experiment)
    check_claims(read(choice.path, choice.scale))
    if fresh:
        folder.forget()
    resumed = folder.take(choice, file)
    whole = folder.opened()
    for other, names in ({} if alone else sharing.take_over(experiment, folder)).items():
        say(f"already played in {other}: {', '.join(names)}")
    runner = Runner(experiment, folder, means, lambda: page.write(whole, folder.path))
    try:
        if not runner.is_finished:
            await _play(runner, resumed, interruptible)
    finally:  # also of what there is when some runs have failed
        found = page.write(whole, folder.path)
    _say_end(runner, found)


async def _play(runner: Runner, resumed: bool, interruptible: Interruptible) -> None:
    began, folder = time.monotonic(), runner.folder

    def made(stack: Stack) -> None:
        interruptible.hurry = stack.supervisor.kill
        what = "going on with" if resumed else "experiment"
        count = len(stack.supervisor.children)
        say(f"{what} {runner.experiment.name} in {folder.path}: starting {count} processes …")

    async with running(runner.stack_options, made) as stack:
        ready = seconds(time.monotonic() - began)
        say(f"stack ready after {ready}; Ctrl-C interrupts, the same command goes on")
        view = _view(runner, stack)
        with view.showing():
            await stack.beside(runner.play(stack, view.news))


def _view(runner: Runner, stack: Stack) -> JobsView[Job]:
    experiment = runner.experiment
    suites = {name: suite.label for name, suite in list(experiment.suites.items())[:_SHOWN]}
    return JobsView(
        console,
        stack,
        runner.progress,
        ("arm", "seed"),
        lambda job: (experiment.arms[job.arm].label, str(job.seed)),
        suites,
    )


def _say_end(runner: Runner, found: Json) -> None:
    spent = runner.folder.spent
    for claim in found["claims"]:
        say(f"{claim['status']}: {claim['text']}")
    say(found["verdict"]["line"])
    say(
        f"{len(runner.progress.jobs)} runs in {seconds(spent.seconds)}, at most "
        f"{size(spent.memory['peak_bytes'])} resident. Curves, claims and episodes are in "
        f"{runner.folder.path / page.REPORT}"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


# What an experiment is, for people


def _show(experiment: Experiment) -> None:
    say(f"{experiment.title}, scale {experiment.scale}, seeds {', '.join(map(str, experiment.seeds))}")
    say(experiment.question.strip())
    if experiment.paper:
        say(f"Paper: {experiment.paper.source}")
    console.print()
    console.print(_arms_table(experiment))
    console.print()
    console.print(_suites_table(experiment))
    console.print()
    for claim in experiment.claims:
        _say_claim(claim)


def _arms_table(experiment: Experiment) -> Table:
    table = plain_table("arm", "", "kind", "updates", "starts from")
    for name, arm in experiment.arms.items():
        start = experiment.start_of(name) if arm.origin else None
        origin = f"{start[0]}, version {start[1]}" if start else _base(arm.base)
        table.add_row(name, arm.label, arm.kind, str(arm.updates), origin)
    return table


def _base(base: str | Fresh) -> str:
    path = Path(base.fresh if isinstance(base, Fresh) else base)
    return f"{'fresh weights like ' if isinstance(base, Fresh) else ''}{path.parent.name}/{path.name}"


def _suites_table(experiment: Experiment) -> Table:
    table = plain_table("suite", "", "shift", "episodes")
    for name, suite in experiment.suites.items():
        table.add_row(name, suite.label, suite.shift, str(suite.episodes))
    return table


def _say_claim(claim: Claim) -> None:
    say(f"• {claim.text}")
    if claim.control:
        say(f"  control: {claim.control.text or 'the same difference'} ({_difference(claim.control)})")
    else:
        say(f"  no control: {claim.no_control}")


def _difference(one: Comparison) -> str:
    return f"{_side(one.compare)} against {_side(one.against)} on {one.compare.suite}"


def _side(one: Measure) -> str:
    return f"{one.arm} at the start" if one.at == "start" else one.arm
