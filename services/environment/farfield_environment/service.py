"""Puts the parts of the service together."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from farfield_environment.catalog import Catalog
from farfield_environment.config import EnvironmentConfig
from farfield_environment.demonstrations import Demonstrations
from farfield_environment.seats import Seats
from farfield_environment.servicer import EnvironmentServicer, mount
from farfield_environment.sessions import Sessions
from farfield_kernel import memory, plugins
from farfield_kernel.executors import Pools
from farfield_kernel.server import Mount, serve

SWITCH_SECONDS = 0.0005
"""After which a thread that computes lets the event loop go on, where that waits for it. Python's own is ten
times as long, and every plugin that computes on threads makes all others wait as often."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a server mounts, and the core behind it."""

    mount: Mount
    catalog: Catalog
    sessions: Sessions
    servicer: EnvironmentServicer

    async def drain(self, seconds: float) -> None:
        """Lets sessions come to their end. What is left by then is restored elsewhere: the end of their
        streams tells their players."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.sessions.drain()
        self.servicer.end()


@asynccontextmanager
async def assembled(config: EnvironmentConfig, loaded: plugins.Loaded) -> AsyncIterator[Service]:
    """The service for the length of a block; its threads and processes end with it."""
    pools = Pools(config.threads)
    seats = Seats(config, pools)
    catalog = Catalog(loaded, config, pools)
    sessions = Sessions(config, seats)
    servicer = EnvironmentServicer(config, catalog, sessions, Demonstrations(config, seats))
    try:
        yield Service(mount(servicer, catalog), catalog, sessions, servicer)
    finally:
        await seats.close()


async def run(config: EnvironmentConfig, loaded: plugins.Loaded) -> None:
    """Serves until the process is told to stop."""
    memory.keep()
    sys.setswitchinterval(SWITCH_SECONDS)
    async with assembled(config, loaded) as service:
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        drain = partial(service.drain, config.server.drain_seconds)
        background = [service.sessions.reap_forever]
        await serve(config.server, [service.mount], background=background, drain=drain)
