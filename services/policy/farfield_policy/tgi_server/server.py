"""Opens the server beside the gRPC one."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware

from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.server import ServerConfig
from farfield_policy.engine import Engine
from farfield_policy.tgi_server.application import Offer, Routes, application
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.tgi_server.text import Text
from farfield_policy.tgi_server.validation import Limits

log = logging.getLogger(__name__)


class TgiServer:
    """Serves as long as the service runs."""

    def __init__(self, engine: Engine, folder: str, config: TgiServerConfig, server: ServerConfig) -> None:
        self._offer = offer(engine, folder, config, server.token)
        self._routes = Routes(engine, Text(folder), self._offer)
        self._host, self._port = config.host or server.host, config.port
        self._tls = server.tls.server_context() if server.tls else None

    async def serve(self) -> None:
        """Listens until cancelled."""
        app = application(self._routes, self._offer)
        async with _listening(app, self._host, self._port, self._tls) as address:
            log.info(
                "serving the protocol of text-generation-inference on %s",
                address,
                extra={"tgi_port": int(address.rpartition(":")[2])},
            )
            try:
                await asyncio.Event().wait()
            finally:
                self._routes.generation.close()

    def refuse(self) -> None:
        """Takes nothing more, and says so to health checks; what runs goes on."""
        self._routes.draining = True


def offer(engine: Engine, folder: str, config: TgiServerConfig, token: str = "") -> Offer:
    """What an engine can keep of what is configured. FailedPrecondition where it can keep too little."""
    about = engine.describe()
    if not about.capabilities.token_ids_in:
        raise FailedPrecondition(f"engine {about.engine} takes no token ids, which tgi_server gives it")
    total = min(config.max_total_tokens or about.max_context_tokens, about.max_context_tokens)
    limits = Limits(
        max_input_tokens=min(config.max_input_tokens or total - 1, total - 1),
        max_total_tokens=total,
        max_best_of=config.max_best_of,
        max_stop_sequences=config.max_stop_sequences,
    )
    return Offer(
        config.model_id or folder, limits, config.max_concurrent_requests, config.max_body_bytes, token
    )


@asynccontextmanager
async def listening(
    engine: Engine, text: Text, terms: Offer, middlewares: Sequence[Middleware] = ()
) -> AsyncIterator[str]:
    """Serves on a free port for the length of a block; yields the base URL."""
    routes = Routes(engine, text, terms)
    try:
        async with _listening(application(routes, terms, middlewares), "127.0.0.1", 0) as address:
            yield address
    finally:
        routes.generation.close()


@asynccontextmanager
async def _listening(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104
        yield f"{'https' if tls else 'http'}://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
