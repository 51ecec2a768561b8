"""What a directory knows of services, and how it is asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

DEFAULT_LANE = "default"


class Kind(StrEnum):
    """What a service is."""

    ENVIRONMENT = "environment"
    VERIFIER = "verifier"
    POLICY = "policy"
    TRAINER = "trainer"


class Transport(StrEnum):
    """How a service is spoken to: as the caller's configuration says, or as the service itself says."""

    CONFIGURED = "configured"
    TLS = "tls"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One process of a service that takes new work. `name` is its pod's, where it has one."""

    address: str
    """host:port; in a static list also a `dns:///` name of several."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """Replicas that stand for each other. Those that are not ready, or about to end, are left out."""

    name: str
    kind: Kind
    replicas: tuple[Replica, ...] = ()
    lane: str = DEFAULT_LANE
    order: str = ""
    """Decides which of two services is the first: when it was made, as text that sorts."""
    transport: Transport = Transport.CONFIGURED
    release: str = ""
    """The Helm release that it came with; empty for one that joined by its label."""
    server_name: str = ""
    """What its certificate names, where that is not the address."""


class Directory(Protocol):
    """The services that are known, by kind. What is known stays known while its source is away."""

    def services(self, kind: Kind) -> Sequence[Service]:
        """In their order."""
        ...

    async def look(self) -> None:
        """Until what is known is no older than this call. Raises the reason why it cannot be: Unavailable,
        PermissionDenied."""
        ...

    @property
    def revision(self) -> int:
        """Grows with every change."""
        ...

    async def changed(self, since: int) -> None:
        """Until the revision is another than `since`."""
        ...

    async def close(self) -> None: ...


class Revision:
    """A number that grows, and can be waited for by many."""

    def __init__(self) -> None:
        self.number = 0
        self._grown = asyncio.Event()

    def grow(self) -> None:
        self.number += 1
        self._grown.set()
        self._grown = asyncio.Event()

    async def changed(self, since: int) -> None:
        while self.number == since:
            await self._grown.wait()


def in_order(services: Sequence[Service]) -> tuple[Service, ...]:
    return tuple(sorted(services, key=lambda service: (service.order, service.name)))
