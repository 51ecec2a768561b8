"""The WebSocket server: a connection is a session, and its end frees it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from farfield.environment.v1.environment_pb2 import EnvironmentInfo
from farfield_openenv.facade import answers, meters
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.connection import ClientSession, Closed
from farfield_openenv.facade.routes import Routes
from farfield_openenv.protocol import PATH, ErrorCode

log = logging.getLogger(__name__)


class Facade:
    def __init__(self, backend: Backend, info: EnvironmentInfo) -> None:
        self._backend, self._config = backend, backend.config
        self._routes = Routes(backend, info)
        self._open = 0

    async def serve_forever(self) -> None:
        """Until it is cancelled; connections that are open then are closed."""
        async with self.serving():
            await asyncio.Future()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serves for the length of a block; yields the port."""
        config = self._config
        async with serve(
            self._connected,
            config.host,
            config.port,
            process_request=self._routes,
            max_size=config.max_message_bytes,
            compression=None,  # it costs more than the network that it saves
        ) as server:
            port = server.sockets[0].getsockname()[1]
            log.info("ws://%s:%d%s", config.host, port, PATH, extra={"openenv_port": port})
            yield port

    async def _connected(self, connection: ServerConnection) -> None:
        most = self._config.max_connections
        if self._open >= most:
            await _send(connection, _full(self._open, most))
            return
        self._open += 1
        meters.connections.set(self._open)
        session = ClientSession(self._backend)
        try:
            await _converse(connection, session)
        except (Closed, ConnectionClosed):
            pass
        finally:
            session.close()
            self._open -= 1
            meters.connections.set(self._open)


async def _converse(connection: ServerConnection, session: ClientSession) -> None:
    async for message in connection:
        answer = await session.answer(message)
        meters.count(answer)
        await _send(connection, answer)


async def _send(connection: ServerConnection, answer: dict) -> None:
    await connection.send(json.dumps(answer, ensure_ascii=False))


def _full(active: int, most: int) -> dict:
    return answers.error(
        ErrorCode.CAPACITY_REACHED,
        f"all {most} sessions are taken: close one, or raise max_connections",
        active_sessions=active,
        max_sessions=most,
    )
