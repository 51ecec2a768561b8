"""`farfield weights`: the versions that a run has published, and who serves which."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from farfield.policy.v1 import policy_pb2 as pol
from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.cluster.choice import Choice, chosen
from farfield_cli.evaluation.cast import described
from farfield_cli.runs.trainer import Trainer, state_of
from farfield_cli.runs.trainers import Trainers, find, of_cluster, trainers
from farfield_cli.stack import record
from farfield_cli.stack.state import STATE, StateFolder
from farfield_cli.terminal import console, run, say
from farfield_cli.ways import ways_of
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind
from farfield_kernel.errors import FarfieldError

weights_app = typer.Typer(no_args_is_help=True, help="Weight versions of runs.")


@dataclass(frozen=True, slots=True)
class Serving:
    """A policy replica and what it said; its error where it did not answer."""

    lane: str
    replica: str
    said: pol.DescribeResponse | None
    error: str = ""


@weights_app.command("list")
def list_weights(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="Of this run.  [default: every run]")] = "",
    state: StateFolder = STATE,
) -> None:
    """Versions that runs have published, and the version that each policy replica serves."""

    async def work() -> tuple[list[pb.Run], list[Serving]]:
        async with AsyncExitStack() as stack:
            known, policies = await _places(stack, chosen(context), state)
            serving = await asyncio.gather(*(_asked(*policy) for policy in policies))
            return await _runs(known, run_id), serving

    runs, serving = run(lambda _: work())
    console.print(_versions(runs, serving))
    console.print(_replicas(serving))
    for one in serving:
        if one.error:
            say(f"{one.replica} does not answer: {one.error}")


async def _places(
    stack: AsyncExitStack, choice: Choice | None, state: Path
) -> tuple[Trainers, Sequence[tuple[str, str, ClientConfig]]]:
    """Trainers by lane; of each policy replica its lane, its name and how it is called."""
    if choice is None:
        known = await stack.enter_async_context(trainers(None, state))
        found = record.read(state)
        if found is None:
            return known, ()
        way = ways_of(found)
        return known, [(lane, at.policy, way(at.policy)) for lane, at in found.lanes.items()]
    from farfield_cli.cluster.place import connected

    cluster = await stack.enter_async_context(connected(choice))
    replicas = await cluster.replicas(Kind.POLICY)
    return await of_cluster(cluster), [(service.lane, name, way) for service, name, way in replicas]


async def _asked(lane: str, replica: str, way: ClientConfig) -> Serving:
    try:
        return Serving(lane, replica, await described(way))
    except FarfieldError as error:
        return Serving(lane, replica, None, str(error))


async def _runs(known: Trainers, run_id: str) -> list[pb.Run]:
    if run_id:
        known = {"": known[await find(known, run_id)]}
    found: list[pb.Run] = []
    for address in known.values():
        async with Trainer.at(address) as trainer:
            found += [await trainer.get(run_id)] if run_id else await trainer.all()
    return found


def _versions(runs: Sequence[pb.Run], serving: Sequence[Serving]) -> Table:
    table = Table("run", "version", "kind", "served by", box=None, header_style="bold")
    for one in runs:
        for version in sorted({*one.versions, *([one.version] if one.version >= 0 else [])}):
            at = [each.replica for each in serving if _serves(each, one.run_id, version)]
            last = " (last)" if version == one.version else ""
            kind = "adapter" if one.adapters else "whole model"
            table.add_row(f"{one.run_id} ({state_of(one)})", f"{version}{last}", kind, ", ".join(at) or "–")
    return table


def _serves(one: Serving, run_id: str, version: int) -> bool:
    return bool(one.said and (one.said.weights.run_id, one.said.weights.version) == (run_id, version))


def _replicas(serving: Sequence[Serving]) -> Table:
    table = Table("policy", "lane", "engine", "serves", "digest", box=None, header_style="bold")
    for one in serving:
        if one.said:
            weights = one.said.weights
            serves = f"{weights.run_id} {weights.version}" if weights.run_id else "its own checkpoint"
            table.add_row(one.replica, one.lane, one.said.engine, serves, weights.digest[:12])
    return table
