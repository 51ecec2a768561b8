"""Where replicas are: addresses that are written down, names of several, or services that are discovered."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Service
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.errors import Unavailable

_DNS = "dns:///"
_RESOLVE_SECONDS = 10.0

Config = TypeVar("Config", bound=ClientConfig)
Find = Callable[[], Awaitable[Sequence[Service]]]


class Resolver(Generic[Config]):
    """Turns a configuration's address into those of its replicas; what a name stands for is remembered for a
    while."""

    def __init__(self) -> None:
        self._known: dict[Config, tuple[float, Sequence[Config]]] = {}

    async def resolved(self, config: Config) -> Sequence[Config]:
        """One for each replica."""
        now = time.monotonic()
        since, found = self._known.get(config, (float("-inf"), ()))
        if now - since > _RESOLVE_SECONDS:
            parts = [part.strip() for part in config.address.split(",")]
            found = [one for part in parts for one in await _resolved(config, part)]
            self._known[config] = now, found
        return found


class Written(Generic[Config]):
    """The addresses of a configuration: several with commas between them, or a `dns:///` name of several."""

    def __init__(self, config: Config) -> None:
        self._config, self._resolver = config, Resolver[Config]()

    async def endpoints(self) -> Sequence[Config]:
        return await self._resolver.resolved(self._config)


async def _resolved(config: Config, address: str) -> Sequence[Config]:
    if not address.startswith(_DNS):
        return [config.model_copy(update={"address": address})]
    name = address.removeprefix(_DNS)
    tls = config.tls
    if tls is not None and not tls.server_name:
        # A certificate names the service, not the address that its name stood for.
        tls = tls.model_copy(update={"server_name": name.rpartition(":")[0]})
    hosts = await _look_up(name)
    return [config.model_copy(update={"address": host, "tls": tls}) for host in hosts]


async def _look_up(name: str) -> list[str]:
    host, _, port = name.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"service '{name}' has no address: {error}") from error
    hosts = sorted({f"[{entry[4][0]}]" if ":" in str(entry[4][0]) else str(entry[4][0]) for entry in found})
    return [f"{one}:{port}" for one in hosts]


class Discovered(Generic[Config]):
    """The replicas of services that are found anew each time. `template` says how they are called."""

    def __init__(self, find: Find, template: Config, resolver: Resolver[Config]) -> None:
        self._find, self._template, self._resolver = find, template, resolver

    async def endpoints(self) -> Sequence[Config]:
        services = await self._find()
        ways = [dialed(self._template, one, replica) for one in services for replica in one.replicas]
        if not ways:
            names = ", ".join(service.name for service in services)
            raise Unavailable(f"{names} has no replica that is ready")
        return [one for way in ways for one in await self._resolver.resolved(way)]
