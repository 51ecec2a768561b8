"""Plugin code in child processes: it may hang or crash, and is killed at its deadline.

A child hosts one object at a time, made by a factory ``module:name`` from bytes; its methods take and
return bytes. What a plugin raises arrives as PluginFailure with the error's text. Where the system tells
(Linux: /proc), children that hold too much memory are killed, also between calls.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from farfield_kernel.client import MAX_MESSAGE_BYTES
from farfield_kernel.errors import PluginFailure
from farfield_kernel.executors import within
from farfield_kernel.worker import ERROR, HEADER, request

log = logging.getLogger(__name__)

START_SECONDS = 60.0
"""Longest that a child may take to import a plugin."""
USES = 200
"""A child is replaced after hosting this many objects, so that what a plugin leaks stays small."""
CALLS = 20_000
"""The same for calls, where an object is kept for many of them."""
WATCH_SECONDS = 0.25
"""How often the memory of children is looked at."""
ENDING_SECONDS = 2.0
"""Longest that a child which hung up may take to end by itself."""
MIB = 1024 * 1024


class ProcessDied(PluginFailure):
    """The plugin took its process with it."""


class OutOfMemory(ProcessDied):
    """The plugin's process held more memory than it may."""


class Process:
    """One child. Not safe for concurrent calls."""

    def __init__(
        self, child: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._child, self._reader, self._writer = child, reader, writer
        self.uses = self.calls = 0
        self.hosts = b""
        self._condemned: OutOfMemory | None = None
        self._killed = False

    async def call(self, method: str, argument: bytes = b"", *, timeout: float) -> bytes:
        """The method's answer. A child that is late, dies or is not waited for is killed."""
        self.calls += 1
        try:
            kind, payload = await within(timeout, self._exchange(method, argument))
        except (EOFError, OSError):
            error = self._condemned or ProcessDied(f"its process died: {await self._ending()}")
            self.kill()
            raise error from None
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

    async def _ending(self) -> str:
        """How a child that hung up has ended."""
        for _ in range(int(ENDING_SECONDS / 0.01)):
            if self.gone:
                break
            await asyncio.sleep(0.01)
        status = self._child.returncode
        if status is None:
            return "it closed its connection"
        return f"exit status {status}" if status >= 0 else signal.Signals(-status).name

    def check_memory(self, most: int) -> None:
        """Kills the child when it holds more than `most` MiB; whoever waits for it learns why."""
        held = _resident(self._child.pid) // MIB
        if held > most and self.alive:
            self._condemned = OutOfMemory(
                f"its process died: it held {held} MiB of memory, and {most} MiB are allowed "
                "(child_memory_mib in the service's configuration)"
            )
            log.warning("a plugin's process is killed: it holds %d MiB of memory", held)
            self._child.kill()

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
    """Children by plugin; those that are free are kept warm, at most `idle` of each plugin. Each may hold
    `memory` MiB, 0 for any amount."""

    def __init__(self, idle: int = 2, memory: int = 0) -> None:
        self._idle, self._memory = idle, memory
        self._watching: asyncio.Task[None] | None = None
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
        if process.alive and process.uses < USES and process.calls < CALLS and len(free) < self._idle:
            free.append(process)
        else:
            process.kill()

    async def close(self) -> None:
        if self._watching:
            self._watching.cancel()
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
        if self._memory and self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return process

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for process in self._all:
                process.check_memory(self._memory)


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where it is gone or the system does not tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


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
