"""`farfield --context NAME …`: the cluster that a command is about."""

import logging
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from farfield_cli.terminal import fail
from farfield_kernel.client import ClientConfig
from farfield_kernel.cluster.access import IN_CLUSTER
from farfield_kernel.tls import TlsConfig

COMMANDS = ("run", "train", "env", "eval", "weights", "status")
"""Those that know what to do with a cluster."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty fields are found out."""

    context: str
    namespace: str = ""
    release: str = ""
    token: str = field(default="", repr=False)
    tls: TlsConfig | None = None
    timeout_seconds: float = 60

    @property
    def template(self) -> ClientConfig:
        """How services of the cluster are called."""
        return ClientConfig(
            address="found", timeout_seconds=self.timeout_seconds, tls=self.tls, token=self.token
        )


def choose(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Option(
            "--context",
            envvar="FARFIELD_CONTEXT",
            metavar="NAME",
            help="A cluster: a context of the KUBECONFIG file, or `in-cluster` for the account of this pod.  "
            "[default: this machine]",
        ),
    ] = "",
    namespace: Annotated[
        str, typer.Option(envvar="FARFIELD_NAMESPACE", help="Namespace in it.  [default: the context's]")
    ] = "",
    release: Annotated[
        str,
        typer.Option(envvar="FARFIELD_RELEASE", help="Helm release in it, where the namespace has several."),
    ] = "",
    token: Annotated[
        str, typer.Option(envvar="FARFIELD_TOKEN", help="Bearer token that its services ask for.")
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM of the authority of its certificates, where it speaks TLS."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM of a certificate to present, where its services ask for one."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM of that certificate's private key.")
    ] = None,
) -> None:
    if not name:
        if namespace or release:
            fail("--namespace and --release are about a cluster: say which one with --context")
            raise typer.Exit(2)
        return
    if context.invoked_subcommand not in COMMANDS:
        known = ", ".join(COMMANDS)
        fail(
            f"`farfield {context.invoked_subcommand}` is about this machine: leave out --context "
            f"(and FARFIELD_CONTEXT). Of a cluster there are {known}"
        )
        raise typer.Exit(2)
    needed = ("aiohttp",) if name == IN_CLUSTER else ("aiohttp", "kubernetes")
    if missing := [one for one in needed if find_spec(one) is None]:
        fail(f"clusters need {' and '.join(missing)}: pip install {' '.join(missing)}")
        raise typer.Exit(1)
    # Errors of this command are said by itself.
    logging.getLogger("farfield_kernel").addHandler(logging.NullHandler())
    tls = TlsConfig(ca=ca, certificate=certificate, key=key) if ca or certificate else None
    context.obj = Choice(name, namespace, release, token, tls)


def chosen(context: typer.Context) -> Choice | None:
    """The cluster that was named; None for this machine."""
    return context.find_object(Choice)
