"""Callers that hold a service's time and not its work: `python -m tests.chaos.loris --connections 400`.

Each kind holds so many connections for a while, beside a neighbour that plays. What they do to the
neighbour's calls, to the service's memory and descriptors, and how each was ended, is measured.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield_cli.stack.ports import free_ports
from farfield_cli.stack.stack import Maker, StackOptions
from farfield_cli.stack.supervisor import Supervisor
from farfield_kernel.client import ClientConfig, channel

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_HEADERS, _END_STREAM, _ACK = 4, 1, 1
_PATH = "/farfield.environment.v1.EnvironmentService/"
_CLAIMED = 1 << 20
"""Bytes of a message that never comes as a whole."""
_HEAD = ("a caller that", "many", "median ms", "worst ms", "MiB", "after", "fds", "after", "ended")
REQUEST_SECONDS, IDLE_SECONDS = 4, 8
"""Of the service that is attacked."""
_PATIENCE_SECONDS = 120
"""Longest that it is waited for until the service has let go of all."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers(method: str) -> bytes:
    """Literal fields (RFC 7541, 6.2.2) of a gRPC call."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": _PATH + method,
        ":authority": "loris",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in fields.items())
    return frame(_HEADERS, _END_HEADERS, 1, block)


def _string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def message(data: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(data)) + data


@dataclass(slots=True)
class Caller:
    """One connection. `status`: of its call, once the service has answered; or how the connection ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: str = ""
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def at(cls, address: str, speaks: bool = True) -> "Caller":
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 16)
        caller = cls(reader, writer)
        caller.reads.set()
        if speaks:
            writer.write(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        return caller

    async def listen(self) -> None:
        """Answers pings, as any live peer does, until the service ends the call or the connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not self.ended:
                await self.reads.wait()
                head = await self.reader.readexactly(9)
                length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
                payload = await self.reader.readexactly(length)
                self._take(kind, flags, payload)
        self.ended = self.ended or "connection closed"

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _PING and not flags & _ACK:
            self.writer.write(frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self.writer.write(frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _RESET or (kind == _HEADERS and flags & _END_STREAM):
            self.ended = "call ended"

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


# Ways to be slow. Each gets an open connection, and returns or goes on until it is cancelled.


async def says_nothing(caller: Caller) -> None:
    """A connection that never speaks HTTP/2."""


async def opens_no_call(caller: Caller) -> None:
    """A connection without a call."""


async def sends_nothing(caller: Caller, method: str = "Rollout") -> None:
    caller.writer.write(headers(method))


async def sends_half(caller: Caller, method: str = "Step") -> None:
    caller.writer.write(headers(method) + frame(_DATA, 0, 1, message(b"\0" * _CLAIMED)[: 8 * 1024]))


async def sends_a_byte_a_second(caller: Caller) -> None:
    start = message(b"\0" * _CLAIMED)[:5]
    caller.writer.write(headers("Rollout") + frame(_DATA, 0, 1, start))
    while True:
        await asyncio.sleep(1)
        caller.writer.write(frame(_DATA, 0, 1, b"\0"))


async def never_reads(caller: Caller) -> None:
    """Steps of sessions that nobody has: each is answered with an error that is longer than itself."""
    caller.reads.clear()
    actions = [env.Action(session_id=f"nobody-{number}") for number in range(400)]
    sent = message(env.RolloutRequest(actions=actions).SerializeToString())
    caller.writer.write(headers("Rollout"))
    for _ in range(50):
        for start in range(0, len(sent), 16_000):
            caller.writer.write(frame(_DATA, 0, 1, sent[start : start + 16_000]))
        await caller.writer.drain()


async def stays_idle(caller: Caller) -> None:
    """A stream that was used, and is not any more."""
    caller.writer.write(headers("Rollout") + frame(_DATA, 0, 1, message(b"")))


KINDS: dict[str, tuple[Callable[..., Awaitable[None]], bool]] = {
    "says nothing": (says_nothing, False),
    "opens no call": (opens_no_call, True),
    "opens a stream and sends nothing": (sends_nothing, True),
    "opens a call and sends half a request": (sends_half, True),
    "sends a byte a second": (sends_a_byte_a_second, True),
    "sends and never reads": (never_reads, True),
    "leaves a stream idle": (stays_idle, True),
}


@dataclass(slots=True)
class Measured:
    """`median_ms`, `worst_ms`: of the neighbour's calls. `ended`: how many connections, by how."""

    kind: str
    connections: int
    median_ms: float
    worst_ms: float
    resident_mib: float
    descriptors: int
    ended: dict[str, int]
    after_mib: float = 0.0
    after_descriptors: int = 0


async def _neighbour(address: str, seconds: float) -> list[float]:
    """Milliseconds that each of its calls took."""
    took: list[float] = []
    async with channel(ClientConfig(address=address)) as opened:
        environment: Any = EnvironmentServiceStub(opened)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.perf_counter()
            await _episode(environment, f"neighbour-{began}")
            took.append(1000 * (time.perf_counter() - began) / 3)
            await asyncio.sleep(0.02)
    return took


async def _episode(environment: Any, name: str) -> None:
    ref = env.EnvironmentRef(name="generalpoints", variant="id")
    new = env.NewSession(session_id=name, seed=1)
    await environment.CreateSessions(env.CreateSessionsRequest(environment=ref, sessions=[new]))
    answer = await environment.Step(
        env.StepRequest(actions=[env.Action(session_id=name, response="no idea")])
    )
    assert answer.results[0].HasField("outcome")
    await environment.CloseSessions(env.CloseSessionsRequest(session_ids=[name]))


async def attack(address: str, pid: int, kind: str, connections: int, seconds: float) -> Measured:
    """So many callers of a kind for so long, beside a neighbour."""
    act, speaks = KINDS[kind]
    callers = [await Caller.at(address, speaks) for _ in range(connections)]
    acting = [asyncio.ensure_future(act(caller)) for caller in callers]
    listening = [asyncio.ensure_future(caller.listen()) for caller in callers]
    try:
        took = await _neighbour(address, seconds)
        process = psutil.Process(pid)
        resident, descriptors = process.memory_info().rss / 2**20, process.num_fds()
        for caller in callers:
            caller.reads.set()
        ended = await _ended(callers, _PATIENCE_SECONDS)
    finally:
        for task in (*acting, *listening):
            task.cancel()
        await asyncio.gather(*acting, *listening, return_exceptions=True)
        await asyncio.gather(*(caller.close() for caller in callers))
    return Measured(
        kind, connections, statistics.median(took), max(took), round(resident, 1), descriptors, dict(ended)
    )


async def _ended(callers: Sequence[Caller], patience_seconds: float) -> Counter[str]:
    ends = time.monotonic() + patience_seconds
    while not all(caller.ended for caller in callers) and time.monotonic() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return Counter(caller.ended or "held" for caller in callers)


async def play(
    folder: Path, connections: int, seconds: float, kinds: Sequence[str] = tuple(KINDS)
) -> list[Measured]:
    """Each kind in turn against one environment service; the first entry is the neighbour alone."""
    maker = Maker(StackOptions(folder / "state", folder / "runs"))
    port = next(free_ports())
    flags = [("server.request_seconds", REQUEST_SECONDS), ("server.idle_seconds", IDLE_SECONDS)]
    service = maker.service(
        "environment", flags=[*flags, ("server.metrics_port", port), ("plugins", "[generalpoints]")]
    )
    supervisor = Supervisor([[service]])
    await supervisor.start()
    try:
        pid = supervisor.children[0].pid or 0
        KINDS.setdefault("nobody", (says_nothing, False))
        found = []
        for kind in ("nobody", *kinds):
            one = await attack(service.address, pid, kind, connections if kind != "nobody" else 0, seconds)
            await asyncio.sleep(1)
            process = psutil.Process(pid)
            one.after_mib, one.after_descriptors = process.memory_info().rss / 2**20, process.num_fds()
            found.append(one)
            print(_line(one), flush=True)
    finally:
        await supervisor.stop()
    assert supervisor.children[0].restarts == 0
    return found


def _line(one: Measured) -> str:
    ended = ", ".join(f"{how} {count}" for how, count in sorted(one.ended.items())) or "-"
    times, memory = (
        (f"{one.median_ms:.1f}", f"{one.worst_ms:.0f}"),
        (f"{one.resident_mib:.0f}", f"{one.after_mib:.0f}"),
    )
    return _row(one.kind, one.connections, *times, *memory, one.descriptors, one.after_descriptors, ended)


def _row(kind: object, *cells: object) -> str:
    return f"{kind:<40}" + "".join(f" {cell:>9}" for cell in cells)


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.chaos.loris", description=__doc__)
    words.add_argument("--connections", type=int, default=400)
    words.add_argument("--seconds", type=float, default=12)
    words.add_argument("--out", type=Path, default=Path("runs/loris"))
    given = words.parse_args()
    print(_row(*_HEAD))
    found = asyncio.run(play(given.out, given.connections, given.seconds))
    (given.out / "loris.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    return any("held" in one.ended for one in found)


if __name__ == "__main__":
    sys.exit(main())
