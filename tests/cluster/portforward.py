"""Port-forwards as the Python `kubernetes` client speaks them: one WebSocket, the first byte of a message its
channel.

Each port has a channel for data and one for errors; the first message of both says which port it is.
kubectl wraps SPDY into its WebSockets instead, which the simulator does not speak.
"""

import asyncio
import itertools
import struct
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSMsgType, web

from tests.cluster.errors import Refused

PROTOCOL = "v4.channel.k8s.io"
PROTOCOLS = [PROTOCOL, "portforward.k8s.io"]

Address = Callable[[int], tuple[str, int]]


async def forward(request: web.Request, address: Address) -> web.StreamResponse:
    """Until the client, or one of the ports, hangs up. `address` says where a port of the pod is reached."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise Refused("the simulator forwards ports over WebSocket alone, as the Python client does")
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(request)
    ports = [int(port) for words in request.query.getall("ports", []) for port in words.split(",")]
    writers: dict[int, asyncio.StreamWriter] = {}
    async with asyncio.TaskGroup() as tasks:
        for channel, port in zip(itertools.count(step=2), ports):
            for either in (channel, channel + 1):
                await socket.send_bytes(bytes([either]) + struct.pack("<H", port))
            try:
                reader, writers[channel] = await asyncio.open_connection(*address(port))
            except OSError as error:
                await socket.send_bytes(bytes([channel + 1]) + str(error).encode())
                await socket.close()
            else:
                tasks.create_task(_answers(socket, channel, reader))
        await _requests(socket, writers)
    return socket


async def _answers(socket: web.WebSocketResponse, channel: int, reader: asyncio.StreamReader) -> None:
    """From a port to the client."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            await socket.send_bytes(bytes([channel]) + data)
    await socket.close()


async def _requests(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    """From the client to the ports, until it hangs up."""
    with suppress(ConnectionError):
        async for message in socket:
            if message.type == WSMsgType.BINARY and message.data[1:]:
                writers[message.data[0]].write(message.data[1:])
                await writers[message.data[0]].drain()
    for writer in writers.values():
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
