"""The worker's metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

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
seconds = metrics.histogram("rollout_seconds", "Time of one call of an episode, by phase.", ("phase",))


class Timer:
    seconds = 0.0


@contextmanager
def timed(phase: str) -> Iterator[Timer]:
    """Measures a phase; the timer holds the seconds afterwards."""
    timer, started = Timer(), perf_counter()
    try:
        yield timer
    finally:
        timer.seconds = perf_counter() - started
        seconds.labels(phase).observe(timer.seconds)
