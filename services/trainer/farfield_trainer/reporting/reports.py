"""What a run reports: a file of JSON lines, and the same lines to whoever watches.

Sequence numbers grow and are never given twice. When a run goes back to a checkpoint, the lines after it are
cut off and their numbers stay unused: a watcher that asks for what comes after the last line it saw gets
everything that is played again, and the file holds nothing twice.
"""

import asyncio
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

NOT_FINITE = "figures_not_finite"
"""In a report: how many of its figures were left out."""


@dataclass(frozen=True, slots=True)
class Report:
    """One line. `kind`: "update", "eval" (of `suite`), "checkpoint" or "phase"."""

    sequence: int
    time: float
    kind: str
    update: int
    suite: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Reports:
    """The reports of one run."""

    def __init__(self, path: Path, sinks: Iterable[Callable[[Report], None]] = ()) -> None:
        self._path, self._sinks = path, list(sinks)
        self._lines = _read(path)
        self._next = self._lines[-1].sequence + 1 if self._lines else 1
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._lines)

    def all(self) -> list[Report]:
        return list(self._lines)

    def truncate(self, count: int) -> None:
        """Keeps the first `count` lines; a torn last line goes too."""
        self._lines = self._lines[:count]
        aside = self._path.with_suffix(".aside")
        aside.write_text("".join(map(_line, self._lines)))
        aside.replace(self._path)

    def append(self, kind: str, update: int, metrics: Mapping[str, float], suite: str = "") -> Report:
        """Numbers that are not finite are left out, and in an update counted: JSON has no word for them."""
        finite = {name: value for name, value in sorted(metrics.items()) if math.isfinite(value)}
        if kind == "update" and (left_out := len(metrics) - len(finite)):
            finite[NOT_FINITE] = float(left_out)
        report = Report(self._next, time.time(), kind, update, suite, finite)
        with self._path.open("a") as file:
            file.write(_line(report))
        self._next += 1
        self._lines.append(report)
        for sink in self._sinks:
            sink(report)
        self.wake()
        return report

    @contextmanager
    def told(self, sink: Callable[[Report], None]) -> Iterator[None]:
        """The sink is told of each new report inside the block."""
        self._sinks.append(sink)
        try:
            yield
        finally:
            self._sinks.remove(sink)

    def sync(self) -> None:
        """Puts the lines on disk, as a checkpoint that counts them needs."""
        if self._path.exists():
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    def wake(self) -> None:
        """Lets watchers look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """No more lines come: watchers end once they have seen all."""
        self._closed = True
        self.wake()

    def reopen(self) -> None:
        self._closed = False

    async def watch(self, after: int) -> AsyncIterator[Report]:
        """Lines with a larger sequence number, until the run ends."""
        while True:
            changed = self._changed
            for report in [line for line in self._lines if line.sequence > after]:
                after = report.sequence
                yield report
            if changed.is_set():
                continue
            if self._closed:
                return
            await changed.wait()


def _line(report: Report) -> str:
    return json.dumps(asdict(report)) + "\n"


def _read(path: Path) -> list[Report]:
    """The whole lines; one that a kill tore off is the last, and is left out."""
    if not path.exists():
        return []
    return [
        Report(**json.loads(line)) for line in path.read_text().splitlines(keepends=True) if line[-1] == "\n"
    ]
