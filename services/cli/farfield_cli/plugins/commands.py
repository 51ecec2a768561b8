"""`farfield plugin list|check|new`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from farfield_cli.given import pairs
from farfield_cli.terminal import console, say
from farfield_conformance.check import Level


class Kind(StrEnum):
    """What is made."""

    ENV = "env"
    VERIFIER = "verifier"


NEXT = {
    Kind.ENV: ("farfield play {name}", "farfield plugin check {name}"),
    Kind.VERIFIER: ("farfield plugin check {name}",),
}
Endpoint = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="A running environment service, in any language.  [default: starts one with the plugin]",
    ),
]
Twin = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="A second process of the same, to compare with.")
]
VerifierEndpoint = Annotated[str, typer.Option(metavar="HOST:PORT", help="A running verifier service.")]
plugin_app = typer.Typer(no_args_is_help=True, help="Environments and verifiers: make, list and check them.")


@plugin_app.command("list")
def list_plugins() -> None:
    """What is installed: versions, and of what is broken the error."""
    from farfield_cli.plugins import listing

    found = listing.found()
    if not found:
        say("no plugin is installed; `farfield plugin new env NAME` makes one")
        return
    console.print(listing.table(found))
    for one in found:
        if one.error:
            say(f"{one.name} ({one.kind}) is broken: {one.error}")


@plugin_app.command("new")
def new(
    kind: Annotated[
        Kind, typer.Argument(help="`env`: an environment and its verifier; `verifier`: a reward.")
    ],
    name: Annotated[str, typer.Argument(help="What run files will call it, e.g. my-game.")],
    path: Annotated[Path, typer.Option(metavar="DIR", help="Where the new folder is made.")] = Path(),
) -> None:
    """Write a new distribution that works at once: source, tests, run file, Dockerfile and Helm values."""
    from farfield_cli.plugins import scaffold
    from farfield_cli.plugins.guard import guarded

    with guarded():
        folder = scaffold.written(kind.value, name, path)
    say(f"{folder}: an example to be changed, with its tests. What comes next:\n")
    for command in (f"pip install -e {folder}", *NEXT[kind]):
        say(f"  {command.format(name=name)}")
    say(f"\n{folder / 'README.md'} has the rest.")


@plugin_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Environment, or verifier where no environment has the name.")],
    variant: Annotated[str, typer.Option(help="Variant of the environment that is played.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the environment; may be repeated."),
    ] = None,
    verifier: Annotated[str, typer.Option(help="Verifier.  [default: named as the environment]")] = "",
    verifier_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Option of the verifier; may be repeated.")
    ] = None,
    endpoint: Endpoint = "",
    twin: Twin = "",
    verifier_endpoint: VerifierEndpoint = "",
    level: Annotated[
        list[Level] | None, typer.Option(help="Only this level; may be repeated.  [default: all]")
    ] = None,
    waive: Annotated[
        list[str] | None, typer.Option(metavar="CHECK=WHY", help="Leave a check out; the report says why.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML.")
    ] = None,
) -> None:
    """Check that a plugin keeps its contract, over the wire: what it says of itself, any response, codes and
    turns, that episodes repeat and can be won, many sessions.

    Exit status 1 when a check fails.
    """
    from farfield_cli.plugins import checking
    from farfield_cli.plugins.guard import guarded
    from farfield_conformance.place import Plan

    with guarded():
        plan = checking.completed(
            Plan(
                environment=name,
                variant=variant,
                options=pairs(tuple(option or ())),
                endpoint=endpoint,
                twin=twin,
                verifier=verifier,
                verifier_options=pairs(tuple(verifier_option or ())),
                verifier_endpoint=verifier_endpoint,
            )
        )
        waived = {key: str(why) for key, why in pairs(tuple(waive or ())).items()}
        good = checking.checked(plan, tuple(level or Level), waived, junit)
    if not good:
        raise typer.Exit(1)
