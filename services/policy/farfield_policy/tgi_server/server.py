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
        self._engine = engine
        self._text = Text(folder)
        self._config = config
        self._server = server
        self._offer = offer(engine, folder, config, server.token)

    async def serve(self) -> None:
        """Listens until cancelled."""
        async with listening(
            self._engine,
            self._text,
            self._offer,
            host=self._config.host or self._server.host,
            port=self._config.port,
            tls=self._server.tls.server_context() if self._server.tls else None,
        ) as address:
            log.info(
                "serving the protocol of text-generation-inference on %s",
                address,
                extra={"tgi_port": int(address.rpartition(":")[2])},
            )
            await asyncio.Event().wait()


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
    engine: Engine,
    text: Text,
    terms: Offer,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    middlewares: Sequence[Middleware] = (),
) -> AsyncIterator[str]:
    """Serves for the length of a block; yields the base URL."""
    routes = Routes(engine, text, terms)
    runner = web.AppRunner(
        application(routes, terms, middlewares),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=1,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104
        yield f"{'https' if tls else 'http'}://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        routes.generation.close()
