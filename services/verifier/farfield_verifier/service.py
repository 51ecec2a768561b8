"""Puts the parts of the service together."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from farfield_kernel import plugins
from farfield_kernel.executors import Pools
from farfield_kernel.server import Mount, serve
from farfield_verifier.catalog import Catalog
from farfield_verifier.config import VerifierConfig
from farfield_verifier.judges import Bench
from farfield_verifier.scoring import Scoring
from farfield_verifier.servicer import VerifierServicer, mount


@dataclass(frozen=True, slots=True)
class Service:
    """What a server mounts, and the core behind it."""

    mount: Mount
    catalog: Catalog
    scoring: Scoring


@asynccontextmanager
async def assembled(config: VerifierConfig, loaded: plugins.Loaded) -> AsyncIterator[Service]:
    """The service for the length of a block; its threads and processes end with it."""
    pools = Pools(config.threads)
    bench = Bench(config, pools)
    catalog = Catalog(loaded, config, pools)
    scoring = Scoring(config, catalog, bench)
    try:
        yield Service(mount(VerifierServicer(catalog, scoring), catalog), catalog, scoring)
    finally:
        await bench.close()


async def run(config: VerifierConfig, loaded: plugins.Loaded) -> None:
    """Serves until the process is told to stop."""
    async with assembled(config, loaded) as service:
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        await serve(config.server, [service.mount])
