"""The trainers that commands about runs talk to: those of the stack on this machine, or of a cluster."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from farfield_cli.cluster.choice import Choice
from farfield_cli.runs.trainer import Trainer
from farfield_cli.stack import record
from farfield_cli.ways import ways_of
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind
from farfield_kernel.errors import FailedPrecondition, NotFound, Unavailable

if TYPE_CHECKING:  # needs aiohttp
    from farfield_cli.cluster.place import Cluster

Trainers = Mapping[str, ClientConfig]
"""By lane."""


@asynccontextmanager
async def trainers(choice: Choice | None, state: Path) -> AsyncIterator[Trainers]:
    """Reachable for the length of a block."""
    if choice is None:
        yield _of_stack(state)
        return
    from farfield_cli.cluster.place import connected

    async with connected(choice) as cluster:
        yield await of_cluster(cluster)


async def of_cluster(cluster: "Cluster") -> Trainers:
    """Unavailable where a trainer is there and not ready."""
    found = {service.lane: way for service, _, way in await cluster.replicas(Kind.TRAINER)}
    away = [one.name for one in cluster.services(Kind.TRAINER) if one.lane not in found]
    if away:
        raise Unavailable(f"trainer {', '.join(away)} in {cluster.name} has no pod that is ready")
    if not found:
        raise NotFound(f"no trainer in {cluster.name}: no Service has farfield.dev/kind=trainer")
    return found


def _of_stack(state: Path) -> Trainers:
    found = record.read(state)
    if found is None:
        raise FailedPrecondition(f"no stack runs in {state}; start one with `farfield up`")
    way = ways_of(found)
    return {lane: way(where.trainer) for lane, where in found.lanes.items()}


async def find(known: Trainers, run_id: str) -> str:
    """The lane that holds a run."""
    others = []
    for lane, where in known.items():
        async with Trainer.at(where) as trainer:
            runs = [run.run_id for run in await trainer.all()]
        if run_id in runs:
            return lane
        others += runs
    raise NotFound(f"no run '{run_id}'; known: {', '.join(sorted(others)) or 'none'}")


def choose(known: Trainers, lane: str) -> tuple[str, ClientConfig]:
    """The lane that was named, or the only one, and its trainer."""
    if not known:
        raise FailedPrecondition("there is no trainer")
    if lane and lane not in known:
        raise NotFound(f"no trainer has the lane '{lane}'; there is {', '.join(known)}")
    if not lane and len(known) > 1:
        raise FailedPrecondition(f"there are several lanes: choose one of {', '.join(known)} with --lane")
    chosen = lane or next(iter(known))
    return chosen, known[chosen]
