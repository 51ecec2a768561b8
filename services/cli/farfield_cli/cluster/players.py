"""An evaluation in a cluster: its policy, its environments and its verifiers, played from here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_cli.cluster.choice import Choice
from farfield_cli.cluster.place import Cluster, connected
from farfield_cli.evaluation.place import Place
from farfield_cli.evaluation.settings import Players
from farfield_cli.stack.supervisor import Supervisor
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind, Service
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.discovery.finding import EnvironmentFinder, LaneFinder, VerifierFinder
from farfield_kernel.discovery.hosting import Hosting
from farfield_kernel.errors import FailedPrecondition, InvalidArgument, Unavailable

_PLAY = (Kind.ENVIRONMENT, Kind.VERIFIER, Kind.POLICY)


@asynccontextmanager
async def place(choice: Choice, players: Players, environment: str) -> AsyncIterator[Place]:
    """For the length of a block. Replicas that come and go meanwhile are followed."""
    if players.model or players.policy or players.environment or players.verifier:
        raise InvalidArgument(
            "with --context the cluster's services play: leave out --model, --policy, --environment and "
            "--verifier"
        )
    async with connected(choice) as cluster:
        directory = await cluster.reached(*_PLAY)
        lane = _lane(cluster, players.lane)
        games, court = (Hosting(directory, kind, cluster.template) for kind in _PLAY[:2])
        hosts = await EnvironmentFinder(games).find(environment)
        judges = await VerifierFinder(court).find(RewardPlan(leaf=Leaf(verifier=environment)))
        policies = await LaneFinder(directory, Kind.POLICY, lane).find()
        following = asyncio.ensure_future(cluster.follow(*_PLAY))
        try:
            yield Place(
                environment=_one_of(cluster, hosts),
                verifier=_one_of(cluster, judges),
                policy=_one_of(cluster, policies),
                supervisor=Supervisor([]),
                lane=lane,
                directory=directory,
            )
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _lane(cluster: Cluster, wanted: str) -> str:
    lanes = sorted({service.lane for service in cluster.services(Kind.POLICY)})
    if wanted or len(lanes) == 1:
        return wanted or lanes[0]
    if not lanes:
        raise FailedPrecondition(f"no policy is in {cluster.name}: no Service has farfield.dev/kind=policy")
    raise FailedPrecondition(f"there are several lanes: choose one of {', '.join(lanes)} with --lane")


def _one_of(cluster: Cluster, services: Sequence[Service]) -> ClientConfig:
    """Any replica: they are alike."""
    for service in services:
        for replica in service.replicas:
            return dialed(cluster.template, service, replica)
    raise Unavailable(f"{', '.join(one.name for one in services)} has no replica that is ready")
