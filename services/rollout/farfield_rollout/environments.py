"""The environments that episodes may name, and who plays each."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.finding import EnvironmentFinder
from farfield_rollout.endpoints import Dialing, Discovered, Written
from farfield_rollout.environment import EnvironmentClient
from farfield_rollout.replicas import Endpoints, Pool, Replicas

Route = Callable[[EnvironmentRef], Endpoints[ClientConfig]]
EnvironmentReplicas = Replicas[ClientConfig, EnvironmentClient]


class Environments:
    """Replicas by what an episode names. A session stays with the replica that it began on, also when that
    takes no new ones, and is restored at another when it is lost."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._pool = Pool(EnvironmentClient)
        self._replicas: dict[tuple[str, str], EnvironmentReplicas] = {}

    def of(self, environment: EnvironmentRef) -> EnvironmentReplicas:
        key = environment.name, environment.version
        if key not in self._replicas:
            self._replicas[key] = Replicas(self.route(environment), self._pool)
        return self._replicas[key]

    async def renew(self) -> None:
        """Leases of all sessions; a replica that does not answer has lost them."""
        renewals = [client.renew() for client in self._pool.clients()]
        await asyncio.gather(*renewals, return_exceptions=True)
        await self._pool.reap()

    async def close(self) -> None:
        await self._pool.close()


def written(default: ClientConfig, named: Mapping[str, ClientConfig] | None = None) -> Route:
    """As configured: a service for each environment that has one of its own, and one for all others."""
    everything = Written(default)
    own = {name: Written(one) for name, one in (named or {}).items()}
    return lambda environment: own.get(environment.name, everything)


def hosted(finder: EnvironmentFinder, template: ClientConfig) -> Route:
    """As the services say themselves."""
    dialing = Dialing(template)
    return lambda one: Discovered(partial(finder.find, one.name, one.version), dialing)
