"""The directory of a cluster: Services with the label `farfield.dev/kind`, and the endpoints behind them."""

import asyncio
from collections.abc import Sequence

from farfield_kernel.cluster.api import ENDPOINT_SLICES, SERVICES, ClusterApi
from farfield_kernel.cluster.mirror import Mirror
from farfield_kernel.discovery.contract import Kind, Revision, Service, in_order
from farfield_kernel.discovery.endpoints import KIND_LABEL, services_of


class KubernetesDirectory:
    """Follows the API from its making on, in the running event loop; the caller closes it."""

    def __init__(self, api: ClusterApi, namespace: str, selector: str = "") -> None:
        self._api = api
        self._revision = Revision()
        kinds = f"{KIND_LABEL} in ({','.join(Kind)})"
        chosen = f"{kinds},{selector}" if selector else kinds
        changed = self._revision.grow
        self._services = Mirror(api, SERVICES, namespace, chosen, when_changed=changed)
        self._slices = Mirror(api, ENDPOINT_SLICES, namespace, when_changed=changed)
        self._following = [asyncio.ensure_future(one.follow()) for one in self._mirrors]
        self._shown: tuple[int, tuple[Service, ...]] = (-1, ())

    @property
    def _mirrors(self) -> tuple[Mirror, Mirror]:
        return self._services, self._slices

    def services(self, kind: Kind) -> Sequence[Service]:
        if self._shown[0] != self.revision:
            found = services_of(self._services.objects.values(), self._slices.objects.values())
            self._shown = self.revision, in_order(list(found))
        return [service for service in self._shown[1] if service.kind is kind]

    async def look(self) -> None:
        await asyncio.gather(*(one.look() for one in self._mirrors))

    @property
    def revision(self) -> int:
        return self._revision.number

    async def changed(self, since: int) -> None:
        await self._revision.changed(since)

    async def close(self) -> None:
        for following in self._following:
            following.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self._api.close()
