"""A port of a pod as a port of this machine, through the Kubernetes API.

The API gives a WebSocket for each connection. The first byte of its messages is a channel: 0 carries the
data, 1 what went wrong; the first message of each says the port again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from farfield_kernel.cluster.api import ClusterApi
from farfield_kernel.errors import FarfieldError, Unavailable

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_DATA, _ERROR = 0, 1
_CHUNK = 64 * 1024


@asynccontextmanager
async def forwarded(api: ClusterApi, namespace: str, pod: str, port: int) -> AsyncIterator[str]:
    """host:port here, for the length of a block. A connection that the pod does not take is closed, with the
    reason in the log."""
    forward = _Forward(api, namespace, pod, port)
    listener = await asyncio.start_server(forward.accept, _HOST, 0)
    try:
        yield f"{_HOST}:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        await forward.close()


class _Forward:
    def __init__(self, api: ClusterApi, namespace: str, pod: str, port: int) -> None:
        self._api, self._namespace, self._pod, self._port = api, namespace, pod, port
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end hangs up."""
        try:
            async with self._api.port(self._namespace, self._pod, self._port) as socket:
                ways = [
                    asyncio.ensure_future(_to_pod(reader, socket)),
                    asyncio.ensure_future(_from_pod(socket, writer)),
                ]
                try:
                    done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    for way in done:
                        way.result()
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        except (FarfieldError, OSError, aiohttp.ClientError) as error:
            log.warning("port %d of pod %s: %s", self._port, self._pod, error)
        finally:
            writer.close()


async def _to_pod(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while data := await reader.read(_CHUNK):
        await socket.send_bytes(bytes([_DATA]) + data)


async def _from_pod(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    begun: set[int] = set()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel not in begun:
            begun.add(channel)  # its first message is the port's number
        elif channel == _ERROR:
            raise Unavailable(data.decode(errors="replace").strip())
        else:
            writer.write(data)
            await writer.drain()
