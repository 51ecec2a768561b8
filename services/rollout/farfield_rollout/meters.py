"""The worker's metrics."""

from time import perf_counter
from typing import Self

from farfield_kernel import metrics

episodes = metrics.counter(
    "rollout_episodes_total", "Episodes committed, by how they ended.", ("outcome", "purpose")
)
failures = metrics.counter("rollout_failures_total", "Episodes without a grade, by why.", ("failure",))
duplicates = metrics.counter("rollout_duplicates_total", "Episodes that another worker had committed.")
abandoned = metrics.counter("rollout_abandoned_total", "Episodes given up unfinished, by why.", ("reason",))
turns = metrics.counter("rollout_turns_total", "Turns played.")
tokens = metrics.counter("rollout_tokens_total", "Tokens generated.")
retries = metrics.counter(
    "rollout_retries_total", "Calls made again, by stage and error.", ("stage", "error")
)
restores = metrics.counter("rollout_restores_total", "Sessions rebuilt by replay.")
in_flight = metrics.gauge("rollout_episodes_in_flight", "Episodes being played.")
_seconds = metrics.histogram("rollout_seconds", "Time of one call of an episode, by phase.", ("phase",))
_BY_PHASE = {
    phase: _seconds.labels(phase) for phase in ("start", "generate", "environment", "verify", "queue")
}


class timed:
    """Measures a phase; `seconds` is set afterwards."""

    __slots__ = ("_meter", "_started", "seconds")

    def __init__(self, phase: str) -> None:
        self._meter = _BY_PHASE[phase]
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(self, *raised: object) -> None:
        self.seconds = perf_counter() - self._started
        self._meter.observe(self.seconds)
