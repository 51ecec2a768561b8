"""A TCP proxy between two processes, which can be cut, silenced or slowed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import Enum

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65536


class Mode(Enum):
    OPEN = "open"
    CUT = "cut"
    SILENT = "silent"
    SLOW = "slow"


class Wire:
    """Passes bytes on from `port` to a server. `late_seconds`: how late bytes come while it is slow."""

    def __init__(self, port: int, dial: Callable[[], Awaitable[Ends]], late_seconds: float) -> None:
        self.port = port
        self._dial, self._late_seconds = dial, late_seconds
        self._mode = Mode.OPEN
        self._changed = asyncio.Condition()
        self._open: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        await self.turn(Mode.CUT)
        if self._listener:
            self._listener.close()

    async def turn(self, mode: Mode) -> None:
        async with self._changed:
            self._mode = mode
            self._changed.notify_all()
        if mode is Mode.CUT:
            for writer in list(self._open):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.CUT:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await self._dial()
        except OSError:  # nobody there: what a caller without a proxy would see
            writer.transport.abort()
            return
        with self._held(writer, up_writer):
            ways = [self._pass(reader, up_writer), self._pass(up_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def _held(self, *writers: asyncio.StreamWriter):
        self._open.update(writers)
        try:
            yield
        finally:
            self._open.difference_update(writers)
            for writer in writers:
                writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(self._late_seconds)
                async with self._changed:
                    await self._changed.wait_for(lambda: self._mode is not Mode.SILENT)
                writer.write(data)
                await writer.drain()


def to_port(port: int) -> Callable[[], Awaitable[Ends]]:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def to_socket(path: str) -> Callable[[], Awaitable[Ends]]:
    return lambda: asyncio.open_unix_connection(path)
