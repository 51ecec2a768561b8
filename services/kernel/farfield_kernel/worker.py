"""The child's end of `processes.Process`: hosts one object and answers calls on it.

Frames are a 4-byte length, a kind and a payload. A request's payload is a method and its argument; an
answer is the method's bytes, or the error that it raised. The process ends when its socket closes, even
while a call hangs, so that a dead parent leaves nothing behind.
"""

import importlib
import os
import queue
import resource
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

HEADER = struct.Struct(">IB")
ANSWER, ERROR = 0, 1


class Nonsense(Exception):
    """A plugin's answer is not what its protocol asks for. Here, since a child imports little."""


def frame(kind: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), kind) + payload


def request(method: str, argument: bytes) -> bytes:
    return frame(ANSWER, method.encode() + b"\n" + argument)


def _read(stream: BinaryIO, requests: "queue.SimpleQueue[bytes]") -> None:
    while header := stream.read(HEADER.size):
        length, _ = HEADER.unpack(header)
        requests.put(stream.read(length))
    os._exit(0)


def _resolve(path: str) -> Callable[[bytes], Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _answer(hosted: Any, payload: bytes) -> tuple[Any, bytes]:
    """The hosted object after the call, and the frame to send. `open` makes a new object."""
    method, _, argument = payload.partition(b"\n")
    try:
        if method == b"open":
            path, _, inner = argument.partition(b"\n")
            return _resolve(path.decode())(inner), frame(ANSWER, b"")
        return hosted, frame(ANSWER, getattr(hosted, method.decode())(argument))
    except BaseException as error:  # hosted code may raise anything, SystemExit included
        summary = f"{type(error).__name__}: {error}".replace("\n", " ")
        return hosted, frame(ERROR, f"{summary}\n{traceback.format_exc()}".encode(errors="replace"))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a plugin that crashes again and again fills no disk
    connection = socket.socket(fileno=int(sys.argv[1]))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    stream = connection.makefile("rb")
    threading.Thread(target=_read, args=(stream, requests), daemon=True).start()
    hosted: Any = None
    while True:
        hosted, answer = _answer(hosted, requests.get())
        connection.sendall(answer)


if __name__ == "__main__":
    main()
