"""A static list as a directory."""

from collections.abc import Iterator

from farfield_kernel.discovery.config import ListedService, StaticDiscovery
from farfield_kernel.discovery.contract import Replica, Service
from farfield_kernel.discovery.memory import MemoryDirectory


def static_directory(config: StaticDiscovery) -> MemoryDirectory:
    """Never changes. The services keep the order in which they are written."""
    return MemoryDirectory(_service(number, one) for number, one in enumerate(config.services))


def _service(number: int, listed: ListedService) -> Service:
    return Service(
        name=listed.name or listed.address,
        kind=listed.kind,
        replicas=tuple(_replicas(listed.address)),
        lane=listed.lane,
        order=f"{number:06d}",
    )


def _replicas(addresses: str) -> Iterator[Replica]:
    for address in addresses.split(","):
        yield Replica(address.strip())
