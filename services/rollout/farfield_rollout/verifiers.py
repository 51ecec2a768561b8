"""The verifiers that rewards may name: a plan goes to a service that hosts all of it."""

from collections.abc import Callable
from functools import partial

from farfield.types.v1.types_pb2 import Verdict
from farfield.verifier.v1.verifier_pb2 import Attempt, RewardPlan
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.finding import VerifierFinder
from farfield_kernel.errors import Unavailable
from farfield_rollout.endpoints import Dialing, Discovered, Written
from farfield_rollout.replicas import Endpoints, Pool, Replicas
from farfield_rollout.verifier import VerifierClient

Route = Callable[[RewardPlan], Endpoints[ClientConfig]]
"""Where those are who judge by a plan."""


class Verifiers:
    def __init__(self, route: Route) -> None:
        self._route = route
        self._pool = Pool(VerifierClient)
        self._avoid: VerifierClient | None = None
        """The replica that was away last: another one is tried first."""

    async def verify(self, plan: RewardPlan, attempt: Attempt) -> Verdict:
        """The verdict. NotFound and InvalidArgument are about the plan; an attempt that cannot be
        judged is a PluginFailure."""
        client = await Replicas(self._route(plan), self._pool).pick(self._avoid)
        try:
            return await client.verify(plan, attempt)
        except Unavailable:
            self._avoid = client
            raise

    async def reap(self) -> None:
        await self._pool.reap()

    async def close(self) -> None:
        await self._pool.close()


def written(config: ClientConfig) -> Route:
    """As configured: one service judges everything."""
    everything = Written(config)
    return lambda plan: everything


def hosted(finder: VerifierFinder, template: ClientConfig) -> Route:
    """As the services say themselves."""
    dialing = Dialing(template)
    return lambda plan: Discovered(partial(finder.find, plan), dialing)
