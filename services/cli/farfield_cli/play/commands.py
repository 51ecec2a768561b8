"""`farfield play` and `farfield env`: environments in the hands of a person."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from farfield.environment.v1 import environment_pb2 as env
from farfield.types.v1 import types_pb2
from farfield_cli.cluster.choice import chosen
from farfield_cli.given import pairs
from farfield_cli.pictures.easel import Easel
from farfield_cli.pictures.terminal import Way, present
from farfield_cli.play.episode import pictures_of, text_of
from farfield_cli.play.episode import play as play_episode
from farfield_cli.services import Services, environment_ref, leaf_plan, services
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, interactive, run, say
from farfield_kernel.errors import NotFound
from farfield_kernel.wire import struct_to_dict

env_app = typer.Typer(no_args_is_help=True, help="The environments that the stack, or a cluster, hosts.")
_SPEAKERS = {types_pb2.ROLE_USER: "task", types_pb2.ROLE_SYSTEM: "system", types_pb2.ROLE_ASSISTANT: "policy"}
_QUIT = ("/quit", "/q")


def play(
    environment: Annotated[str, typer.Argument(help="Environment to play.")] = "generalpoints",
    variant: Annotated[str, typer.Option(help="Variant of it, e.g. ood.")] = "",
    option: Annotated[list[str] | None, typer.Option(help="Option as KEY=VALUE; may be repeated.")] = None,
    verifier: Annotated[str, typer.Option(help="Verifier.  [default: named as the environment]")] = "",
    verifier_option: Annotated[
        list[str] | None, typer.Option(help="Option of the verifier as KEY=VALUE.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Which episode.  [default: by chance]")] = None,
    images: Annotated[
        Way, typer.Option(help="How pictures are shown; `auto` takes the best that the terminal has.")
    ] = Way.AUTO,
    state: StateFolder = STATE,
) -> None:
    """Play an environment yourself: the policy's prompt, your answer, the verifier's words and reward.

    Uses the stack that is up, or starts what is needed. `/quit` gets up from the table.
    """
    ref = environment_ref(environment, variant, pairs(tuple(option or ())))
    given = pairs(tuple(verifier_option or ()))
    chosen = secrets.randbelow(2**31) if seed is None else seed

    async def work() -> None:
        easel = Easel(present(), state / "pictures", console.file, images)
        async with services(state) as both:
            plan = leaf_plan(verifier or await _default_verifier(both, environment), given)
            say(f"{environment} {variant}  seed {chosen}   (/quit to stop)")
            session = f"play-{secrets.token_hex(4)}"
            solved = await play_episode(both, Terminal(easel), ref, plan, session, chosen)
        say({True: "Solved.", False: "Not solved.", None: "Left the table."}[solved])

    run(lambda _: work())


async def _default_verifier(both: Services, environment: str) -> str:
    """The verifier that is named as the environment."""
    known = [one.name for one in (await both.verifiers()).verifiers]
    await both.environment(environment)
    if environment not in known:
        raise NotFound(f"no verifier is named '{environment}'; choose with --verifier: {', '.join(known)}")
    return environment


class Terminal:
    """The table of a person at a terminal; without one, answers are the lines of standard input."""

    def __init__(self, easel: Easel) -> None:
        self._easel = easel

    def show(self, messages: Sequence[types_pb2.Message]) -> None:
        for message in messages:
            for picture in pictures_of(message):
                if line := self._easel.show(picture):
                    say(line)
            if text := text_of(message):
                console.print(Panel(Text(text), title=_SPEAKERS.get(message.role, ""), title_align="left"))

    async def answer(self, turn: int) -> str | None:
        while True:
            line = await asyncio.to_thread(_line, f"answer {turn + 1}> ")
            if line is None or line.strip() in _QUIT:
                return None
            if line.strip():
                return line
            if interactive():
                say("(an empty line is no answer; /quit stops)")

    def judge(self, verdict: types_pb2.Verdict, outcome: env.Outcome) -> None:
        mark = "[green]correct[/green]" if verdict.correct else "[red]wrong[/red]"
        console.print(f"{mark}   reward {verdict.reward:+g}   [dim]{terms_of(verdict)}[/dim]")
        if verdict.feedback:
            console.print(Panel(Text(verdict.feedback), title="verifier", title_align="left"))
        if outcome.state == types_pb2.STATE_TRUNCATED:
            say("The budget is spent.")


def terms_of(verdict: types_pb2.Verdict) -> str:
    """What the reward is made of, without the verifier's name where there is one alone, nor the sum again."""
    leaves = {name.rpartition("/")[0] for name in verdict.terms}
    shown = {
        name.rpartition("/")[2] if len(leaves) == 1 else name: value
        for name, value in sorted(verdict.terms.items())
        if not name.endswith("/reward")
    }
    return escape(", ".join(f"{name} {value:+g}" for name, value in shown.items()))


def _line(prompt: str) -> str | None:
    try:
        return input(prompt if interactive() else "")
    except EOFError:
        return None


@env_app.command("list")
def list_environments(context: typer.Context, state: StateFolder = STATE) -> None:
    """Environments with their variants; in a cluster, those of all services."""
    if choice := chosen(context):
        from farfield_cli.cluster.overview import environments

        run(lambda _: environments(choice))
        return

    async def work() -> None:
        async with services(state) as both:
            answer = await both.environments()
        table = Table("environment", "version", "variants", "summary", box=None, header_style="bold")
        for one in answer.environments:
            variants = ", ".join(f"{variant.name} ({variant.role})" for variant in one.variants)
            table.add_row(one.name, one.version, variants, Text(one.summary))
        console.print(table)
        for broken in answer.broken:
            say(f"{broken.name} is installed but broken: {broken.error}")

    run(lambda _: work())


@env_app.command("describe")
def describe(context: typer.Context, name: str, state: StateFolder = STATE) -> None:
    """One environment: variants, options, demonstrations."""

    async def found() -> env.EnvironmentInfo:
        if choice := chosen(context):
            from farfield_cli.cluster.overview import environment

            return await environment(choice, name)
        async with services(state) as both:
            return await both.environment(name)

    async def work() -> None:
        one = await found()
        say(f"{one.name} {one.version} ({one.distribution}, runs {one.executor})\n{one.summary}\n")
        table = Table("variant", "role", "options", "summary", box=None, header_style="bold")
        for variant in one.variants:
            options = Text(_compact(struct_to_dict(variant.options)))
            table.add_row(variant.name, variant.role, options, Text(variant.summary))
        console.print(table)
        console.print(_options_table(json.loads(one.options_schema_json)))
        say(f"modalities: {', '.join(one.modalities)}")
        say(f"demonstrations: {', '.join(one.demonstration_styles) or 'none'}")

    run(lambda _: work())


def _options_table(schema: dict[str, object]) -> Table:
    table = Table("option", "default", "what it does", box=None, header_style="bold")
    properties = schema.get("properties", {})
    for name, spec in properties.items() if isinstance(properties, dict) else ():
        default = _compact(spec["default"]) if "default" in spec else "(required)"
        table.add_row(name, Text(default), Text(str(spec.get("description", ""))))
    return table


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace('"', "")
