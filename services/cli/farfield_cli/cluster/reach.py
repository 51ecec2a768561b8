"""How a replica is reached from here: directly where that works, else through a port-forward."""

from contextlib import AsyncExitStack

from farfield_kernel.client import ClientConfig
from farfield_kernel.cluster.api import ClusterApi
from farfield_kernel.cluster.forwarding import forwarded
from farfield_kernel.discovery.contract import Replica, Service
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.errors import FarfieldError
from farfield_kernel.healthcheck import HealthcheckConfig, status

_DIRECT_SECONDS = 0.7


class Reach:
    """Each replica's address as it is called from this machine. Ports that were opened here are closed with
    the stack."""

    def __init__(
        self, api: ClusterApi, namespace: str, template: ClientConfig, stack: AsyncExitStack
    ) -> None:
        self._api, self._namespace, self._template, self._stack = api, namespace, template, stack
        self._known: dict[Replica, Replica] = {}

    async def of(self, service: Service, replica: Replica) -> Replica:
        """The replica under the address that works here."""
        if replica not in self._known:
            self._known[replica] = await self._found(service, replica)
        return self._known[replica]

    async def _found(self, service: Service, replica: Replica) -> Replica:
        if not replica.name or await self._answers(service, replica):
            return replica
        port = int(replica.address.rpartition(":")[2])
        opening = forwarded(self._api, self._namespace, replica.name, port)
        return Replica(await self._stack.enter_async_context(opening), replica.name)

    async def _answers(self, service: Service, replica: Replica) -> bool:
        """Whether it serves under its own address. Health needs no token: none is shown to whoever has that
        address on this side."""
        config = dialed(self._template, service, replica)
        asked = HealthcheckConfig(
            address=config.address, timeout_seconds=_DIRECT_SECONDS, attempts=2, tls=config.tls
        )
        try:
            return await status(asked) == "SERVING"
        except FarfieldError:
            return False
