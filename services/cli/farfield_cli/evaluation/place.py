"""The services that an evaluation is played with: those that were named, the others started beside them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from farfield_cli.evaluation.settings import Players
from farfield_cli.stack import record
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.program import Program
from farfield_cli.stack.stack import Maker, Plan
from farfield_cli.stack.supervisor import Supervisor
from farfield_cli.ways import way_to, ways_of
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Directory
from farfield_kernel.errors import InvalidArgument

LANE = "eval"


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses, and the processes that are ours."""

    environment: ClientConfig
    verifier: ClientConfig
    policy: ClientConfig
    supervisor: Supervisor
    lane: str = LANE
    directory: Directory | None = None
    """Where services are discovered: what episodes are played with. The addresses are then those of one
    replica each, to be asked."""


@asynccontextmanager
async def place(
    players: Players, folder: Path, when_made: Callable[[Supervisor], None]
) -> AsyncIterator[Place]:
    """All three, ready, for the length of a block; nothing that was started is left afterwards. Logs go to
    `folder`. `when_made` gets the processes before they start."""
    if (players.model is None) == (not players.policy):
        raise InvalidArgument("say who plays: --model FOLDER, or --policy HOST:PORT of a running policy")
    programs = _programs(players, folder)
    supervisor = Supervisor([list(programs.values())])
    when_made(supervisor)
    given = {"environment": players.environment, "verifier": players.verifier, "policy": players.policy}
    addresses = given | {kind: program.address for kind, program in programs.items()}
    stack = record.read(players.state)
    way = ways_of(stack) if stack else way_to
    ways = {kind: way(address) for kind, address in addresses.items()}
    try:
        await supervisor.start()
        yield Place(ways["environment"], ways["verifier"], ways["policy"], supervisor)
    finally:
        await asyncio.shield(asyncio.ensure_future(supervisor.stop()))


def _programs(players: Players, folder: Path) -> dict[str, Program]:
    """What has to be started, by kind."""
    maker = Maker(StackOptions(state=folder, model=players.model, rows=players.concurrency))
    programs = {}
    for kind, address in (("environment", players.environment), ("verifier", players.verifier)):
        if not address:
            programs[kind] = maker.service(kind)
    if players.model is not None:
        programs["policy"] = maker.policy(LANE, Plan())
    return programs
