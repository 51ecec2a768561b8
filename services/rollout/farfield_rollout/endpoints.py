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


class Written(Generic[Config]):
    """The addresses of a configuration: several with commas between them, or a `dns:///` name of several."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._found: Sequence[Config] = ()
        self._until = float("-inf")

    async def endpoints(self) -> Sequence[Config]:
        if time.monotonic() >= self._until:
            self._found = await resolved([self._config])
            self._until = time.monotonic() + _RESOLVE_SECONDS
        return self._found


class Dialing(Generic[Config]):
    """How the replicas of services are called; made anew where services have changed, or names have to be
    resolved again. `template` says what they have in common."""

    def __init__(self, template: Config) -> None:
        self._template = template
        self._known: dict[tuple[str, ...], tuple[Sequence[Service], float, Sequence[Config]]] = {}

    async def ways(self, services: Sequence[Service]) -> Sequence[Config]:
        """One for each replica. Unavailable where there is none."""
        names, now = tuple(service.name for service in services), time.monotonic()
        before, until, found = self._known.get(names, ((), 0.0, ()))
        if before != services or now >= until:
            found = await resolved(self._dialed(services))
            if not found:
                raise Unavailable(f"{', '.join(names)} has no replica that is ready")
            self._known[names] = services, now + _RESOLVE_SECONDS, found
        return found

    def _dialed(self, services: Sequence[Service]) -> list[Config]:
        return [dialed(self._template, one, replica) for one in services for replica in one.replicas]


class Discovered(Generic[Config]):
    """The replicas of services that are found anew each time."""

    def __init__(self, find: Find, dialing: Dialing[Config]) -> None:
        self._find, self._dialing = find, dialing

    async def endpoints(self) -> Sequence[Config]:
        return await self._dialing.ways(await self._find())


async def resolved(configs: Sequence[Config]) -> list[Config]:
    """One for each replica behind the addresses."""
    parts = [(config, part.strip()) for config in configs for part in config.address.split(",")]
    return [one for config, part in parts for one in await _resolved(config, part)]


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
