"""`farfield eval`: a policy measured on a named suite."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from farfield_cli.checkpoints import checkpoint, label
from farfield_cli.cluster.choice import Choice, chosen
from farfield_cli.evaluation.settings import Players, Settings
from farfield_cli.evaluation.suites import LABELS, SUITES
from farfield_cli.given import pairs
from farfield_cli.interrupts import Interruptible
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.stack.supervisor import Supervisor
from farfield_cli.terminal import console, run, say, seconds
from farfield_kernel.config import parse

SuiteName = Annotated[str, typer.Option(help="Suite to play; --list shows them.")]
EnvironmentName = Annotated[
    str, typer.Option("--env", metavar="NAME", help="Instead of a suite: variants of this environment.")
]
Variants = Annotated[str, typer.Option(help="Only these variants, with commas between.")]
Model = Annotated[
    str,
    typer.Option(
        metavar="FOLDER|URL",
        help="A checkpoint, or a run (its newest weights), here or in a bucket: a policy is started.",
    ),
]
Policy = Annotated[str, typer.Option(metavar="HOST:PORT", help="A running policy service, of any engine.")]
Address = Annotated[str, typer.Option(metavar="HOST:PORT", help="One that runs.  [default: starts one]")]
Episodes = Annotated[int, typer.Option("-n", "--episodes", min=1, help="Of each variant.")]
MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, help="Longest response.  [default: the suite's, by prompt]")
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="compact|paper",
        help="Form of the prompt.  [default: compact for a vocabulary under 2,000, else paper]",
    ),
]
Option = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Option of the environment; may be repeated."),
]
Reward = Annotated[
    list[str] | None,
    typer.Option("--reward", metavar="KEY=VALUE", help="Option of the verifier; may be repeated."),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the results.  [default: a name under runs/eval]")]
Compare = Annotated[
    tuple[Path, Path] | None,
    typer.Option(metavar="A B", help="Two evaluations (eval.json or folder), episode by episode."),
]


def evaluate(
    context: typer.Context,
    suite: SuiteName = "",
    model: Model = "",
    policy: Policy = "",
    environment: Address = "",
    verifier: Address = "",
    env: EnvironmentName = "",
    variants: Variants = "",
    episodes: Episodes = 300,
    seed: Annotated[int, typer.Option(min=0, help="Decides the episodes.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    max_new_tokens: MaxNewTokens = None,
    prompt: Prompt = None,
    option: Option = None,
    reward: Reward = None,
    lane: Annotated[str, typer.Option(help="In a cluster: whose policy, where there are several.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes played at once.")] = 64,
    state: StateFolder = STATE,
    out: Out = None,
    list_suites: Annotated[bool, typer.Option("--list", help="Show the suites and stop.")] = False,
    compare: Compare = None,
) -> None:
    """Measure a policy on a suite: what it was trained on, and what it never saw.

    Plays the episodes through the real services and writes eval.json, eval.md, a figure and the episodes.
    Needs no Redis and no trainer. In a cluster its policy, environments and verifiers play.
    """
    if list_suites:
        console.print(_suites())
        return
    if compare:
        run(lambda _: _compare(*compare))
        return

    async def work(interruptible: Interruptible) -> None:
        asked = {
            "suite": suite,
            "environment_name": env,
            "variants": _names(variants),
            "episodes": episodes,
            "seed": seed,
            "temperature": temperature,
            "max_new_tokens": max_new_tokens,
            "prompt": prompt,
            "options": pairs(tuple(option or ())),
            "rewards": pairs(tuple(reward or ())),
        }
        players = Players(
            model=checkpoint(model) if model else None,
            policy=policy,
            environment=environment,
            verifier=verifier,
            state=state,
            lane=lane,
            concurrency=concurrency,
        )
        choice = chosen(context)
        await _evaluate(parse(Settings, asked, "evaluation"), players, out, interruptible, choice)

    run(work)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


async def _evaluate(
    settings: Settings,
    players: Players,
    out: Path | None,
    interruptible: Interruptible,
    choice: Choice | None,
) -> None:
    from farfield_cli.evaluation import wording
    from farfield_cli.evaluation.session import evaluated, known_suite
    from farfield_cli.evaluation.view import table

    known_suite(settings)  # a wrong name leaves no folder
    folder = out or _folder(settings, players, choice)
    _log_into(folder / "logs")

    def made(supervisor: Supervisor) -> None:
        interruptible.hurry = supervisor.kill
        if names := ", ".join(child.program.name for child in supervisor.children):
            say(f"starting {names}; logs in {folder / 'logs'} …")

    result = await evaluated(settings, players, folder, made, choice)
    console.print(table(wording.results(result)))
    for reason in wording.reasons(result):
        say(reason)
    say(f"{wording.conditions(result.about)}; {seconds(result.about['seconds'])}; in {folder}")


def _log_into(folder: Path) -> None:
    """What the worker in this process warns of goes beside the services' logs, not through the live lines."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=folder / "worker.log", level=logging.WARNING, format=shape, force=True)


def _folder(settings: Settings, players: Players, choice: Choice | None) -> Path:
    """Named after who is measured on what; the same question has the same folder."""
    there = f"{choice.context}-{choice.release or players.lane or 'policy'}" if choice else players.policy
    who = label(players.model) if players.model else there.replace(":", "-").replace("/", "-")
    what = settings.suite or settings.environment_name
    return Path("runs/eval") / f"{what}-{who}-{settings.digest(str(players.model), there)}"


def _suites() -> Table:
    table = Table("suite", "variants", "what", box=None, header_style="bold")
    for suite in SUITES.values():
        variants = "\n".join(f"{part.variant} ({LABELS[part.shift]})" for part in suite.parts)
        options = ", ".join(f"{key}={value}" for key, value in suite.options.items())
        table.add_row(suite.name, Text(variants), Text(f"{suite.summary}\n{suite.environment}: {options}"))
    return table


async def _compare(first: Path, second: Path) -> None:
    from farfield_cli.evaluation import comparison
    from farfield_cli.evaluation.result import read
    from farfield_cli.evaluation.view import table

    one, other = read(first), read(second)
    console.print(table(comparison.grid(comparison.paired(one, other))))
    if not comparison.rewarded_alike(one, other):
        say("rewards are not compared: the two have another reward plan or another version of the verifier")
