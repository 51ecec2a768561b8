"""Port-forwards as the Python `kubernetes` client speaks them: one WebSocket, the first byte of a message its channel.

Each port has a channel for data and one for errors; the first message of both says which port it is. kubectl wraps SPDY
into its WebSockets instead, which the simulator does not speak.
"""

import asyncio
import struct
from collections.abc import Callable

from aiohttp import WSMsgType, web

from tests.cluster.errors import Refused

PROTOCOL = "v4.channel.k8s.io"
PROTOCOLS = [PROTOCOL, "portforward.k8s.io"]

Address = Callable[[int], tuple[str, int]]


async def forward(request: web.Request, address: Address) -> web.StreamResponse:
    """Until the client, or every port, hangs up. `address` says where a port of the pod is reached."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise Refused("the simulator forwards ports over WebSocket alone, as the Python client does")
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(request)
    ports = [int(port) for words in request.query.getall("ports", []) for port in words.split(",")]
    writers: dict[int, asyncio.StreamWriter] = {}
    async with asyncio.TaskGroup() as readers:
        for index, port in enumerate(ports):
            for channel in (2 * index, 2 * index + 1):
                await socket.send_bytes(bytes([channel]) + struct.pack("<H", port))
            readers.create_task(_connect(socket, 2 * index, address(port), writers))
        readers.create_task(_pass_on(socket, writers))
    return socket


async def _connect(
    socket: web.WebSocketResponse,
    channel: int,
    where: tuple[str, int],
    writers: dict[int, asyncio.StreamWriter],
) -> None:
    """From the port to the client."""
    try:
        reader, writers[channel] = await asyncio.open_connection(*where)
    except OSError as error:
        await socket.send_bytes(bytes([channel + 1]) + str(error).encode())
        await socket.close()
        return
    while data := await reader.read(65536):
        await socket.send_bytes(bytes([channel]) + data)
    await socket.close()


async def _pass_on(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    """From the client to the ports."""
    async for message in socket:
        if message.type == WSMsgType.BINARY and message.data[1:]:
            channel = message.data[0]
            while channel not in writers:
                await asyncio.sleep(0.005)
            writers[channel].write(message.data[1:])
            await writers[channel].drain()
    for writer in writers.values():
        writer.close()
        await writer.wait_closed()
