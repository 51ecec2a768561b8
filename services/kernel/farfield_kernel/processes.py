"""Plugin code in child processes: it may hang or crash, and is killed at its deadline.

A child hosts one object at a time, made by a factory ``module:name`` from bytes; its methods take and
return bytes. What a plugin raises arrives as PluginFailure with the error's text.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import defaultdict

from farfield_kernel.client import MAX_MESSAGE_BYTES
from farfield_kernel.errors import PluginFailure
from farfield_kernel.executors import within
from farfield_kernel.worker import ERROR, HEADER, request

log = logging.getLogger(__name__)

START_SECONDS = 60.0
"""Longest that a child may take to import a plugin."""
USES = 200
"""A child is replaced after hosting this many objects, so that what a plugin leaks stays small."""


class ProcessDied(PluginFailure):
    """The plugin took its process with it."""


class Process:
    """One child. Not safe for concurrent calls."""

    def __init__(
        self, child: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._child, self._reader, self._writer = child, reader, writer
        self.uses = 0
        self.hosts = b""
        self._killed = False

    async def call(self, method: str, argument: bytes = b"", *, timeout: float) -> bytes:
        """The method's answer. A child that is late, dies or is not waited for is killed."""
        try:
            kind, payload = await within(timeout, self._exchange(method, argument))
        except (EOFError, OSError):
            self.kill()
            raise ProcessDied("its process died") from None
        except BaseException:
            self.kill()
            raise
        if kind == ERROR:
            summary, _, trace = payload.decode(errors="replace").partition("\n")
            log.error("plugin raised in its process", extra={"trace": trace})
            raise PluginFailure(summary)
        return payload

    async def _exchange(self, method: str, argument: bytes) -> tuple[int, bytes]:
        self._writer.write(request(method, argument))
        await self._writer.drain()
        length, kind = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        if length > MAX_MESSAGE_BYTES:
            raise PluginFailure(f"an answer of {length} bytes; at most {MAX_MESSAGE_BYTES} are taken")
        return kind, await self._reader.readexactly(length)

    @property
    def alive(self) -> bool:
        return not self._killed and not self.gone

    @property
    def gone(self) -> bool:
        """Ended, and known to the operating system as such."""
        return self._child.poll() is not None

    def kill(self) -> None:
        self._killed = True
        self._child.kill()
        self._writer.close()

    async def wait(self) -> None:
        await asyncio.to_thread(self._child.wait)


class Processes:
    """Children by plugin; those that are free are kept warm, at most `idle` of each plugin."""

    def __init__(self, idle: int = 2) -> None:
        self._idle = idle
        self._free: dict[str, list[Process]] = defaultdict(list)
        self._all: set[Process] = set()

    async def open(self, plugin: str, factory: str, argument: bytes, again: bool = False) -> Process:
        """A child that hosts a new object, or with `again` one that was made from the same argument."""
        free = self._free[plugin]
        free[:] = [process for process in free if process.alive]
        same = [process for process in free if again and process.hosts == argument]
        if same:
            free.remove(same[0])
            return same[0]
        process = free.pop() if free else await self._spawn()
        process.uses += 1
        process.hosts = argument
        try:
            await process.call("open", factory.encode() + b"\n" + argument, timeout=START_SECONDS)
        except PluginFailure:
            process.hosts = b""
            self.release(plugin, process)
            raise
        return process

    def release(self, plugin: str, process: Process) -> None:
        """Gives a child back that no call is running on."""
        free = self._free[plugin]
        if process.alive and process.uses < USES and len(free) < self._idle:
            free.append(process)
        else:
            process.kill()

    async def close(self) -> None:
        for process in self._all:
            process.kill()
        await asyncio.gather(*(process.wait() for process in self._all))

    async def _spawn(self) -> Process:
        self._all = {process for process in self._all if not process.gone}
        ours, theirs = socket.socketpair()
        with theirs:
            child = _start(theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        process = Process(child, reader, writer)
        self._all.add(process)
        return process


def _start(connection: socket.socket) -> subprocess.Popen[bytes]:
    """Plugins get no credentials: variables of the services' own configuration are not passed on."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith("FARFIELD")}
    number = str(connection.fileno())
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "farfield_kernel.worker", number],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what a plugin prints belongs to the log
        pass_fds=[connection.fileno()],
        env={**variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
