"""How much memory the stack holds: the resident pages of its processes and their children.

A page that several processes share (of a library, above all) is split between them, as Linux does for the
proportional set size, so that the sum is what the machine really holds. Elsewhere it counts once in each.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

_SECONDS = 2.0


def resident(pid: int) -> int:
    """Bytes of a process and everything below it; 0 when it is gone. Of this process, its own alone: what
    is below it are the others."""
    return _own(pid) + (0 if pid == os.getpid() else sum(map(resident, _children(pid))))


def _own(pid: int) -> int:
    try:
        return _proportional(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except ProcessLookupError:
        return 0
    except OSError:  # not Linux, or not ours to read
        return _counted_once_in_each(pid)


def _proportional(rollup: str) -> int:
    """From the kernel's table, in kilobytes by name."""
    found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _counted_once_in_each(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _children(pid: int) -> Iterator[int]:
    """From the kernel's own list: psutil would look at every process of the machine."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, path.read_text().split())
        except OSError:
            continue


class Meter:
    """Readings of named processes while the stack works."""

    def __init__(self, pids: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._pids = pids
        self.now = 0
        self.peak = 0
        self.peak_by_process: dict[str, int] = {}
        """Who held how much when the sum was largest."""

    def read(self) -> None:
        by_process = {name: resident(pid) for name, pid in self._pids()}
        self.now = sum(by_process.values())
        if self.now > self.peak:
            self.peak, self.peak_by_process = self.now, by_process

    async def run(self) -> None:
        while True:
            self.read()
            await asyncio.sleep(_SECONDS)

    def summary(self) -> dict[str, Any]:
        return {"peak_bytes": self.peak, "peak_by_process": self.peak_by_process}
