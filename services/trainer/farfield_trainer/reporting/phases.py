"""Where the wall time of a run goes. A phase inside another is taken out of it, so phases add up."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Phases:
    def __init__(self, totals: Mapping[str, float] | None = None) -> None:
        self.totals: dict[str, float] = defaultdict(float, totals or {})
        self._lap: dict[str, float] = defaultdict(float)
        self._inside = [0.0]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            own = seconds - self._inside.pop()
            self._inside[-1] += seconds
            self.totals[name] += own
            self._lap[name] += own

    def lap(self) -> dict[str, float]:
        """Seconds by phase since the last lap, as metrics."""
        lap = {f"seconds_{name}": seconds for name, seconds in self._lap.items()}
        self._lap.clear()
        return lap
