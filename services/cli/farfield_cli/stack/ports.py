"""Ports for the local stack. They lie below the range that the kernel hands out to outgoing connections, so
that a service which is started again finds its port free."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from farfield_kernel.errors import FailedPrecondition

HOST = "127.0.0.1"
_LOWEST = 10_240
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports() -> Iterator[int]:
    """Free ports, each once, in random order."""
    candidates = list(range(_LOWEST, _first_ephemeral()))
    random.shuffle(candidates)
    yield from filter(is_free, candidates)
    raise FailedPrecondition(f"no free port between {_LOWEST} and {_first_ephemeral()}")


def consecutive_ports(base: int) -> Iterator[int]:
    """base, base + 1, …; a port that is taken is an error that names its holder."""
    for port in range(base, 65_536):
        if not is_free(port):
            raise FailedPrecondition(
                f"port {port} is in use{_holder(port)}; choose another --base-port, or leave it out and "
                "free ports are picked"
            )
        yield port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        return max(_LOWEST + 1, int(_RANGE.read_text().split()[0]))
    except (OSError, ValueError):
        return 32_768


def _holder(port: int) -> str:
    try:
        found = [one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == port]
        names = {f"{psutil.Process(pid).name()} (pid {pid})" for pid in found if pid}
    except psutil.Error:
        return ""
    return f" by {', '.join(sorted(names))}" if names else ""
