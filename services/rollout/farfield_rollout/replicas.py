"""The services that host an environment. A session is pinned to one; another takes over by replay."""

import asyncio
import socket
import time

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import Unavailable
from farfield_kernel.tls import TlsConfig
from farfield_rollout.config import RolloutConfig
from farfield_rollout.environment import EnvironmentClient

_DNS = "dns:///"
_RESOLVE_SECONDS = 10.0


class Replicas:
    """One environment's services: addresses with commas between them, or a name with several."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._clients: dict[str, EnvironmentClient] = {}
        self._addresses: list[str] = []
        self._resolved_at = float("-inf")

    async def pick(self, avoid: EnvironmentClient | None = None) -> EnvironmentClient:
        """The replica with the fewest sessions of this worker, and not `avoid` if there is another."""
        clients = [self._client(address) for address in await self._resolve()]
        others = [client for client in clients if client is not avoid] or clients
        return min(others, key=lambda client: len(client.sessions))

    async def renew(self) -> None:
        results = [client.renew() for client in self._clients.values()]
        await asyncio.gather(*results, return_exceptions=True)

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    def _client(self, address: str) -> EnvironmentClient:
        if address not in self._clients:
            config = self._config.model_copy(update={"address": address, "tls": self._tls()})
            self._clients[address] = EnvironmentClient(config)
        return self._clients[address]

    def _tls(self) -> TlsConfig | None:
        """A certificate names the service, not the address that its name stood for."""
        tls, address = self._config.tls, self._config.address
        if tls is None or tls.server_name or not address.startswith(_DNS):
            return tls
        return tls.model_copy(update={"server_name": address.removeprefix(_DNS).rpartition(":")[0]})

    async def _resolve(self) -> list[str]:
        address = self._config.address
        if not address.startswith(_DNS):
            return [part.strip() for part in address.split(",")]
        if time.monotonic() - self._resolved_at > _RESOLVE_SECONDS:
            self._addresses = await _look_up(address.removeprefix(_DNS))
            self._resolved_at = time.monotonic()
        return self._addresses


async def _look_up(name: str) -> list[str]:
    host, _, port = name.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"environment '{name}' has no address: {error}") from error
    hosts = sorted({f"[{entry[4][0]}]" if ":" in str(entry[4][0]) else str(entry[4][0]) for entry in found})
    return [f"{one}:{port}" for one in hosts]


class Environments:
    """Replicas by the environment's name."""

    def __init__(self, config: RolloutConfig) -> None:
        self._default = Replicas(config.environment)
        self._named = {name: Replicas(one) for name, one in config.environments.items()}

    def of(self, environment: EnvironmentRef) -> Replicas:
        return self._named.get(environment.name, self._default)

    async def renew(self) -> None:
        await asyncio.gather(*(one.renew() for one in (self._default, *self._named.values())))

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in (self._default, *self._named.values())))
