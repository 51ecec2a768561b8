"""What there is in a cluster: services, what they host, and runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from farfield.environment.v1 import environment_pb2 as env
from farfield.policy.v1 import policy_pb2 as pol
from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.cluster.choice import Choice
from farfield_cli.cluster.place import Cluster, connected
from farfield_cli.evaluation.cast import described
from farfield_cli.runs.table import table as runs_table
from farfield_cli.runs.trainer import Trainer, state_of
from farfield_cli.terminal import console, say
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind, Service
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.discovery.finding import EnvironmentFinder
from farfield_kernel.discovery.hosting import Host, Hosting
from farfield_kernel.errors import FarfieldError

_PLUGINS = (Kind.ENVIRONMENT, Kind.VERIFIER)


@dataclass(frozen=True, slots=True)
class Row:
    """One service. `says`: what it hosts, serves or does; `problem`: why it is no help now."""

    kind: str
    name: str
    lane: str
    ready: int
    says: str = ""
    problem: str = ""


async def environments(choice: Choice) -> None:
    """Shows the environments, and where each is."""
    async with connected(choice) as cluster:
        hosts = await _hosts(cluster, Kind.ENVIRONMENT)
    table = Table("environment", "version", "variants", "service", "summary", box=None, header_style="bold")
    for host in hosts:
        for one in host.description.answer.environments if host.description else ():
            variants = ", ".join(f"{variant.name} ({variant.role})" for variant in one.variants)
            table.add_row(one.name, one.version, variants, host.service.name, Text(one.summary))
    console.print(table)
    for host in hosts:
        if host.problem:
            say(f"{host.service.name} is left out: {host.problem}")
        for name, error in host.description.broken.items() if host.description else ():
            say(f"{name} at {host.service.name} is installed but broken: {error}")


async def environment(choice: Choice, name: str) -> env.EnvironmentInfo:
    """As the service says that plays it."""
    async with connected(choice) as cluster:
        hosting = Hosting(await cluster.reached(Kind.ENVIRONMENT), Kind.ENVIRONMENT, cluster.template)
        (first, *_) = await EnvironmentFinder(hosting).find(name)
        said = {host.service.name: host.description for host in hosting.hosts() if host.description}
    infos: Sequence[env.EnvironmentInfo] = said[first.name].answer.environments
    return next(one for one in infos if one.name == name)


async def overview(choice: Choice) -> tuple[list[Row], list[tuple[str, pb.Run]]]:
    """Services and runs."""
    async with connected(choice) as cluster:
        rows = [row for kind in _PLUGINS for row in map(_hosting_row, await _hosts(cluster, kind))]
        rows += await _asked(cluster, Kind.POLICY, _policy)
        runs: list[tuple[str, pb.Run]] = []

        async def trainer(service: Service, way: ClientConfig) -> str:
            async with Trainer.at(way) as opened:
                known = await opened.all()
            runs.extend((service.lane, run) for run in known)
            working = [run.run_id for run in known if state_of(run) in ("running", "paused")]
            return f"works on {working[0]}" if working else "is free"

        rows += await _asked(cluster, Kind.TRAINER, trainer)
    return rows, runs


def show(rows: Sequence[Row], runs: list[tuple[str, pb.Run]]) -> None:
    table = Table("kind", "service", "lane", "ready", "", box=None, header_style="bold")
    for row in rows:
        lane = row.lane if row.kind in (Kind.POLICY, Kind.TRAINER) else ""
        says = Text(row.problem, style="red") if row.problem else Text(row.says)
        table.add_row(row.kind, row.name, lane, str(row.ready), says)
    console.print(table)
    if runs:
        console.print(runs_table(runs))


def as_json(rows: Sequence[Row], runs: Sequence[tuple[str, pb.Run]]) -> dict[str, Any]:
    return {
        "services": [asdict(row) for row in rows],
        "runs": [
            {
                "lane": lane,
                "run": run.run_id,
                "state": state_of(run),
                "update": run.update,
                "updates": run.updates,
                "episodes": run.episodes_trained,
                "failed": run.episodes_failed,
            }
            for lane, run in runs
        ],
    }


async def _hosts(cluster: Cluster, kind: Kind) -> list[Host]:
    hosting = Hosting(await cluster.reached(kind), kind, cluster.template)
    await hosting.look()
    return hosting.hosts()


def _hosting_row(host: Host) -> Row:
    plugins = host.description.plugins.values() if host.description else ()
    says = ", ".join(f"{one.name} {one.version}" for one in plugins)
    service = host.service
    return Row(service.kind, service.name, service.lane, len(service.replicas), says, host.problem)


async def _policy(service: Service, way: ClientConfig) -> str:
    said: pol.DescribeResponse = await described(way)
    weights = said.weights
    serves = f"{weights.run_id} version {weights.version}" if weights.run_id else "its own checkpoint"
    return f"{said.engine}, serves {serves}"


async def _asked(cluster: Cluster, kind: Kind, ask: Any) -> list[Row]:
    """A row for each service; one of its replicas speaks for all."""

    async def row(service: Service) -> Row:
        fields = (service.kind, service.name, service.lane, len(service.replicas))
        if not service.replicas:
            return Row(*fields, problem="it has no replica that is ready")
        try:
            return Row(
                *fields, says=await ask(service, dialed(cluster.template, service, service.replicas[0]))
            )
        except FarfieldError as error:
            return Row(*fields, problem=str(error))

    directory = await cluster.reached(kind)
    return list(await asyncio.gather(*map(row, directory.services(kind))))
