"""A directory in memory: what a static list is read into, and the twin of the one in a cluster."""

from collections.abc import Iterable

from farfield_kernel.discovery.contract import Kind, Revision, Service, in_order


class MemoryDirectory:
    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._services = {(service.kind, service.name): service for service in services}
        self._revision = Revision()

    def services(self, kind: Kind) -> tuple[Service, ...]:
        return in_order([service for service in self._services.values() if service.kind is kind])

    def put(self, service: Service) -> None:
        """Adds a service, or changes the one of its kind and name."""
        if self._services.get((service.kind, service.name)) != service:
            self._services[service.kind, service.name] = service
            self._revision.grow()

    def remove(self, kind: Kind, name: str) -> None:
        if self._services.pop((kind, name), None):
            self._revision.grow()

    async def look(self) -> None:
        """What is in memory is always as of now."""

    @property
    def revision(self) -> int:
        return self._revision.number

    async def changed(self, since: int) -> None:
        await self._revision.changed(since)

    async def close(self) -> None:
        """There is nothing to close."""
