"""Connections that pass through the API's WebSockets."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web

from farfield_kernel.cluster.access import Access
from farfield_kernel.cluster.api import ClusterApi
from farfield_kernel.cluster.forwarding import forwarded


class PortForwards:
    """The API's end: a pod that answers in capitals, and whose port 13 nobody listens at."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["pod"] == "gone":
            return web.json_response({"message": "pods gone not found"}, status=404)
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        port = int(request.query["ports"])
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + struct.pack("<H", port))
        if port == 13:
            await socket.send_bytes(b"\x01" + b"connection refused")
            await socket.receive()  # until the other end has had enough
            return socket
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data[:1] + message.data[1:].upper())
        self.closed.set()
        return socket


@pytest.fixture
async def end() -> AsyncIterator[tuple[PortForwards, ClusterApi]]:
    forwards = PortForwards()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/ns/pods/{pod}/portforward", forwards.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def headers(renew: bool) -> dict[str, str]:
        return {}

    api = ClusterApi(Access(f"http://127.0.0.1:{runner.addresses[0][1]}", "ns", "c", headers))
    yield forwards, api
    await api.close()
    await runner.cleanup()


async def connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_each_connection_has_a_way_of_its_own(end) -> None:
    async with forwarded(end[1], "ns", "pod", 80) as address:
        ends = [await connected(address) for _ in range(3)]
        for number, (reader, writer) in enumerate(ends):
            writer.write(f"hello {number}".encode() + b"x" * 200_000)
            assert (await reader.readexactly(200_007)).startswith(f"HELLO {number}".encode())
        ends[0][1].close()
        await end[0].closed.wait()
        ends[1][1].write(b"still here")
        assert await ends[1][0].readexactly(10) == b"STILL HERE"
    assert await ends[1][0].read() == b"", "the end of the block closes what is open"
    for _, writer in ends:
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await connected(address)


@pytest.mark.parametrize(
    ("pod", "port", "why"), [("pod", 13, "connection refused"), ("gone", 80, "404")], ids=["port", "pod"]
)
async def test_what_the_pod_does_not_take_is_closed_and_said(end, caplog, pod, port, why) -> None:
    async with forwarded(end[1], "ns", pod, port) as address:
        reader, writer = await connected(address)
        assert await reader.read() == b""
        writer.close()
    assert f"port {port} of pod {pod}: " in caplog.text
    assert why in caplog.text
