"""Clients of the replicas of a service, and which of them takes new work."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from farfield_kernel.client import ClientConfig

_IDLE_SECONDS = 120.0
"""After this long a client that nobody has used is closed: its replica is gone, or was never needed."""
_ASIDE_SECONDS = 10.0
"""How long a replica that takes no work comes last: it has the least load, and would be picked by all."""


class ReplicaClient(Protocol):
    @property
    def load(self) -> int:
        """What this process has under way there."""
        ...

    async def close(self) -> None: ...


Config = TypeVar("Config", bound=ClientConfig)
Client = TypeVar("Client", bound=ReplicaClient)
ConfigOf = TypeVar("ConfigOf", bound=ClientConfig, covariant=True)


class Endpoints(Protocol[ConfigOf]):
    """Where the replicas are."""

    async def endpoints(self) -> Sequence[ConfigOf]:
        """Those that take new work, at this moment. Unavailable or NotFound where there is none."""
        ...


class Pool(Generic[Config, Client]):
    """One client for each replica, whoever it is that needs it."""

    def __init__(self, connect: Callable[[Config], Client]) -> None:
        self._connect = connect
        self._clients: dict[Config, Client] = {}
        self._used: dict[Config, float] = {}
        self._aside: dict[Client, float] = {}
        self.closed = 0
        """Clients that were closed so far: a list that was made before may hold one of them."""

    def client(self, config: Config) -> Client:
        if config not in self._clients:
            self._clients[config] = self._connect(config)
        self._used[config] = time.monotonic()
        return self._clients[config]

    def clients(self) -> list[Client]:
        """Those of replicas that are leaving too, as long as something of ours is there."""
        return list(self._clients.values())

    def set_aside(self, client: Client) -> None:
        """It is away, or takes no work: others come first for a while."""
        self._aside[client] = time.monotonic() + _ASIDE_SECONDS

    def is_aside(self, client: Client) -> bool:
        return self._aside.get(client, 0.0) > time.monotonic()

    async def reap(self, idle_seconds: float = _IDLE_SECONDS) -> None:
        """Closes what has nothing under way, and that nobody has asked for in a while."""
        horizon = time.monotonic() - idle_seconds
        for config, client in list(self._clients.items()):
            if client.load:
                self._used[config] = time.monotonic()
            elif self._used[config] < horizon:
                del self._clients[config], self._used[config]
                self._aside.pop(client, None)
                self.closed += 1
                await client.close()

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.close() for client in clients.values()))


class Replicas(Generic[Config, Client]):
    """Replicas that stand for each other."""

    def __init__(self, endpoints: Endpoints[Config], pool: Pool[Config, Client]) -> None:
        self._endpoints, self._pool = endpoints, pool
        self._made: tuple[Sequence[Config] | None, int, list[Client]] = (None, 0, [])

    async def pick(self, avoid: Client | None = None) -> Client:
        """The replica with the least load of this process, if there is one that is neither `avoid` nor set
        aside."""
        clients = await self._clients()
        others = [client for client in clients if client is not avoid] or clients
        willing = [client for client in others if not self._pool.is_aside(client)] or others
        return min(willing, key=lambda client: client.load)

    def set_aside(self, client: Client) -> None:
        self._pool.set_aside(client)

    async def has(self, client: Client) -> bool:
        """Whether that replica still takes new work."""
        return client in await self._clients()

    async def _clients(self) -> list[Client]:
        """Made anew where the endpoints are others, or a client was closed."""
        configs = await self._endpoints.endpoints()
        before, closed, clients = self._made
        if configs is not before or closed != self._pool.closed:
            clients = [self._pool.client(config) for config in configs]
            self._made = configs, self._pool.closed, clients
        return clients
