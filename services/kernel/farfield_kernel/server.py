"""A gRPC server as every service runs it: health, reflection, metrics, errors, TLS and a drain."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import Field

from farfield_kernel import metrics
from farfield_kernel.client import MAX_MESSAGE_BYTES
from farfield_kernel.config import Config
from farfield_kernel.interceptor import Interceptor
from farfield_kernel.patience import Limits
from farfield_kernel.tls import TlsConfig

log = logging.getLogger(__name__)

_LAST_SECONDS = 1.0
"""For calls that still run when the drain period is over: answers that are on their way."""
KEEPALIVE_MS = 60_000
"""How often a silent connection is asked whether its other end is still there."""
HANDSHAKE_SECONDS = 20
"""Longest that a connection may take until it speaks HTTP/2."""
CALLS_OF_A_CONNECTION = 4096
"""Calls that one connection may have open; further ones wait at the caller's."""


class ServerConfig(Config):
    """Where and how a service listens."""

    host: str = "127.0.0.1"
    """Address to bind; `0.0.0.0` in a container."""
    port: int = Field(default=0, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of `/metrics`; 0 takes a free one, absent serves none."""
    drain_seconds: float = Field(default=20, ge=0)
    """How long running work may go on after SIGTERM; where there is none left the process ends at once."""
    request_seconds: float = Field(default=120, gt=0)
    """How long a call may take to send its request, or the first of a stream."""
    idle_seconds: float = Field(default=1800, gt=0)
    """How long a stream may live without a message, and a connection without a call. Longer than any answer
    takes: who waits for one is silent too."""
    tls: TlsConfig | None = None
    token: str = Field(default="", repr=False)
    """Bearer token that callers must present; empty asks for none."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One gRPC service: its descriptor, the generated `add_…_to_server`, and the servicer. `parts` are
    further health names, each with whether it works, e.g. one for each plugin."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, Any], None]
    servicer: Any
    parts: Mapping[str, bool] = field(default_factory=dict)


class Server:
    """Bound but not yet serving after construction; `health` decides what callers are told."""

    def __init__(self, config: ServerConfig, mounts: Sequence[Mount]) -> None:
        self.config = config
        self.health = health.aio.HealthServicer()
        self._names = [mount.descriptor.full_name for mount in mounts]
        self._parts = {part: works for mount in mounts for part, works in mount.parts.items()}
        options = [
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # a port in use is an error, not a second listener
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.max_connection_idle_ms", int(1000 * config.idle_seconds)),
            ("grpc.server_handshake_timeout_ms", int(1000 * min(config.request_seconds, HANDSHAKE_SECONDS))),
            ("grpc.max_concurrent_streams", CALLS_OF_A_CONNECTION),
        ]
        limits = Limits(config.request_seconds, config.idle_seconds)
        self._server = grpc.aio.server(interceptors=[Interceptor(limits, config.token)], options=options)
        for mount in mounts:
            mount.add(mount.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        shown = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(shown, self._server)
        self.port = self._bind()

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self.config.host == "0.0.0.0" else self.config.host  # noqa: S104
        return f"{host}:{self.port}"

    def _bind(self) -> int:
        wanted = f"{self.config.host}:{self.config.port}"
        try:
            if self.config.tls:
                return self._server.add_secure_port(wanted, self.config.tls.server_credentials())
            return self._server.add_insecure_port(wanted)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {wanted}: is the port in use? ({error})") from None

    async def start(self) -> None:
        await self._server.start()
        await self.set_serving(True)

    async def set_serving(self, serving: bool, *names: str) -> None:
        """Tells health checks whether the services and their parts (by default all) take calls. A part
        that does not work never serves."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        for name in names or ("", *self._names, *self._parts):
            serves = serving and self._parts.get(name, True)
            await self.health.set(name, status.SERVING if serves else status.NOT_SERVING)

    async def stop(self, drain: Callable[[], Awaitable[None]] | None = None) -> None:
        """Turns health off, lets `drain` hand work over, then lets running calls finish. Calls are answered
        while it drains, also new ones: `drain` sees to it that they are sent elsewhere, that streams end, and
        that it takes no longer than `drain_seconds`. Running calls get what is left of these."""
        loop, period = asyncio.get_running_loop(), self.config.drain_seconds
        ends = loop.time() + period
        await self.set_serving(False)
        if drain:
            await drain()
        await self._server.stop(max(ends - loop.time(), min(period, _LAST_SECONDS)))


@asynccontextmanager
async def running(mounts: Sequence[Mount], config: ServerConfig | None = None) -> AsyncIterator[str]:
    """A server on a free port for the length of a block; yields its address."""
    server = Server(config or ServerConfig(drain_seconds=0), mounts)
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


async def serve(
    config: ServerConfig,
    mounts: Sequence[Mount],
    *,
    background: Sequence[Callable[[], Awaitable[None]]] = (),
    drain: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT. A background task that raises ends the process with its error."""
    stopped = _signalled()  # before anything says that it serves: whoever reads that may send a signal
    server = Server(config, mounts)
    if config.metrics_port is not None:
        port = metrics.expose(config.metrics_port, config.host)
        log.info("metrics on port %d", port, extra={"metrics_port": port})
    await server.start()
    log.info("serving on %s", server.address, extra={"port": server.port})
    tasks = [asyncio.ensure_future(_forever(make)) for make in background]
    stop = asyncio.ensure_future(stopped.wait())
    done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    log.info("draining")
    await server.stop(drain)
    for task in [stop, *tasks]:
        task.cancel()
    await asyncio.gather(stop, *tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _forever(make: Callable[[], Awaitable[None]]) -> None:
    await make()
    raise RuntimeError(f"background task {make!r} ended; it must run as long as the service")


def _signalled() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped
