"""Where the wall time of a run goes. Phases do not overlap."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Phases:
    def __init__(self, totals: Mapping[str, float] | None = None) -> None:
        self.totals: dict[str, float] = defaultdict(float, totals or {})
        self._lap: dict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.totals[name] += seconds
            self._lap[name] += seconds

    def lap(self) -> dict[str, float]:
        """Seconds by phase since the last lap, as metrics."""
        lap = {f"seconds_{name}": seconds for name, seconds in self._lap.items()}
        self._lap.clear()
        return lap
