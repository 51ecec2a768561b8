"""What tests of a real Redis share."""

import asyncio
from collections.abc import AsyncIterator

import pytest


class LossyProxy:
    """Passes bytes on; an armed proxy swallows the answer to the next request that holds a word, and
    then hangs up, or keeps silent for good."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._word = b""
        self._silent = self._swallow = False
        self.swallowed = 0
        self.swallowing = asyncio.Event()

    def arm(self, word: bytes, silent: bool = False) -> None:
        self._word, self._silent = word, silent

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [self._requests(reader, up_writer), self._answers(up_reader, writer)]
        await asyncio.wait([asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, up_writer):
            end.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._word and self._word in data:
                self._word, self._swallow = b"", True
            writer.write(data)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._swallow:
                self._swallow = False
                self.swallowed += 1
                self.swallowing.set()
                if not self._silent:
                    return
                continue
            writer.write(data)


@pytest.fixture
async def proxy(make_redis) -> AsyncIterator[tuple[LossyProxy, str, str]]:
    """A proxy, the url through it, and the server's own url."""
    server = make_redis()
    lossy = LossyProxy(server.port)
    listener = await asyncio.start_server(lossy.handle, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    yield lossy, f"redis://127.0.0.1:{port}", server.url
    listener.close()
