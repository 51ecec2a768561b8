"""Puts the parts of the service together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from farfield_kernel.queue.opening import connect
from farfield_kernel.server import Mount
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_policy.config import PolicyConfig, ScriptedConfig, TorchConfig
from farfield_policy.engine import Engine
from farfield_policy.scripted import ScriptedEngine
from farfield_policy.servicer import PolicyServicer, mounted
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.vllm.config import VllmConfig
from farfield_policy.weights_watch import WeightsWatch, show


class Door(Protocol):
    """What else serves the engine, beside gRPC."""

    async def serve(self) -> None: ...

    def refuse(self) -> None: ...


@runtime_checkable
class Lasting(Protocol):
    """An engine that may be lost in this process."""

    async def lasts(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Service:
    """What a server mounts and runs beside it, and the engine behind it."""

    servicer: PolicyServicer
    engine: Engine
    drain_seconds: float
    doors: tuple[Door, ...] = ()
    """They serve in the background."""
    watch: WeightsWatch | None = None
    lasting: tuple[Callable[[], Awaitable[None]], ...] = ()
    """What raises when the engine is lost."""

    @property
    def mount(self) -> Mount:
        return mounted(self.servicer)

    @property
    def background(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        follows = (self.watch.follow,) if self.watch else ()
        return (*follows, *self.lasting, *(door.serve for door in self.doors))

    async def drain(self) -> None:
        """Gives running responses their time; the rest is told UNAVAILABLE, and then the streams end."""
        if self.watch:
            self.watch.end()
        for door in self.doors:
            door.refuse()
        self.servicer.refuse()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.drain_seconds):
                await self.engine.pause(drain=True)
        await self.engine.close()
        self.servicer.end()


@asynccontextmanager
async def assembled(config: PolicyConfig) -> AsyncIterator[Service]:
    """The service for the length of a block, serving the lane's weights where it has announced any."""
    engine = await open_engine(config)
    show(engine.describe().weights)
    cache = WeightCache(config.weights_cache, config.weights_cached)
    drain_seconds = config.server.drain_seconds
    try:
        servicer, doors = PolicyServicer(engine, cache), _doors(config, engine)
        lasting = (engine.lasts,) if isinstance(engine, Lasting) else ()
        if not config.queue_url:
            yield Service(servicer, engine, drain_seconds, doors, None, lasting)
            return
        queue = connect(config.queue_url)
        try:
            watch = WeightsWatch(
                engine, cache, queue, config.lane, config.watch_seconds, config.retry_seconds
            )
            await watch.catch_up()
            yield Service(servicer, engine, drain_seconds, doors, watch, lasting)
        finally:
            await queue.close()
    finally:
        await engine.close()


def _doors(config: PolicyConfig, engine: Engine) -> tuple[Door, ...]:
    if config.tgi_server is None or not isinstance(config.engine, TorchConfig):
        return ()
    from farfield_policy.tgi_server.server import TgiServer

    return (TgiServer(engine, config.engine.model, config.tgi_server, config.server),)


async def open_engine(config: PolicyConfig) -> Engine:
    if isinstance(config.engine, ScriptedConfig):
        script = config.engine
        return ScriptedEngine(script.responses, latency_seconds=script.latency_seconds, rows=script.rows)
    if isinstance(config.engine, TgiConfig):
        from farfield_policy.tgi.engine import open_engine as open_tgi_engine

        return await open_tgi_engine(config.engine)
    if isinstance(config.engine, VllmConfig):
        from farfield_policy.vllm.engine import open_engine as open_vllm_engine

        return await open_vllm_engine(config.engine)

    from farfield_policy.embedded.engine import open_engine as open_torch_engine

    return open_torch_engine(config.engine)
