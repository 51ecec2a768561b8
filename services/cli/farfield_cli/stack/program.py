"""One program of the stack, as data: what to run and how to tell that it works."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
ONE_THREAD = {**dict.fromkeys(_POOLS, "1"), "TOKENIZERS_PARALLELISM": "false"}
"""Small models lose several times over when every process brings a thread pool to the same few cores."""

_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    """For people, e.g. `policy.rl`."""
    command: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    address: str = ""
    """Where it listens; empty for one that does not."""
    start_seconds: float = 600
    """Longest that it may take to be ready; importing torch on a busy machine takes its time."""
    stop_seconds: float = 20
    """Longest that it may take to end after SIGTERM."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        return {**os.environ, **ONE_THREAD, **self.environment}


def last_lines(log: Path, count: int = 12) -> list[str]:
    """The end of a log for a person: of JSON lines the message and the exception."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [part for line in text.splitlines() for part in _readable(line).splitlines()]
    return lines[-count:]


def _readable(line: str) -> str:
    try:
        record = json.loads(line)
        shown = f"{record['level']}: {record['message']}"
    except (ValueError, KeyError, TypeError):
        return line
    return f"{shown}\n{record['exception']}" if "exception" in record else shown
