"""The worker's metrics."""

from time import perf_counter
from typing import Self

from farfield.trajectory.v1.trajectory_pb2 import Failure, Purpose
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
concurrency = metrics.gauge("rollout_concurrency", "Most episodes that this worker plays at once.")
_seconds = metrics.histogram(
    "rollout_seconds", "Time of one call of an episode, by phase.", ("phase",), metrics.LONG_SECONDS
)
_images = metrics.counter(
    "rollout_images_total",
    "Images shown, by whether the worker had their bytes (held) or they had to come (fetched).",
    ("source",),
)
images_held, images_fetched = _images.labels("held"), _images.labels("fetched")
image_bytes = metrics.gauge("rollout_image_cache_bytes", "Bytes of the images that are kept.")
image_evictions = metrics.counter("rollout_image_evictions_total", "Images dropped to make room.")

OUTCOMES = ("solved", "unsolved", "truncated", "failed")
_BY_PHASE = {
    phase: _seconds.labels(phase) for phase in ("start", "generate", "environment", "verify", "queue")
}


def purpose_name(purpose: Purpose.ValueType) -> str:
    return Purpose.Name(purpose).removeprefix("PURPOSE_").lower()


def failure_name(failure: Failure.ValueType) -> str:
    return Failure.Name(failure).removeprefix("FAILURE_").lower()


def _from_zero() -> None:
    """A counter that first shows itself at 1 has no rate."""
    for purpose in Purpose.values():
        if purpose:
            for outcome in OUTCOMES:
                episodes.labels(outcome, purpose_name(purpose))
    for failure in Failure.values():
        if failure:
            failures.labels(failure_name(failure))


_from_zero()


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
