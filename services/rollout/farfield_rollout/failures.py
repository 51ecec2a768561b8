"""What is tried again, for how long, and what a failure is called when it is final."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import count
from typing import TypeVar

from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield_kernel.errors import (
    WEIGHTS_NOT_SERVED,
    DeadlineExceeded,
    Exhausted,
    FarfieldError,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_rollout import meters
from farfield_rollout.config import RetryConfig

T = TypeVar("T")


class Stage(Enum):
    """What a worker was doing when it failed."""

    START = "start"
    GENERATE = "generate"
    ENVIRONMENT = "environment"
    VERIFY = "verify"


class EpisodeFailed(Exception):
    """The episode has no grade, for good."""

    def __init__(self, failure: pb.Failure.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


_BY_STAGE = {
    Stage.START: pb.FAILURE_ENVIRONMENT,
    Stage.GENERATE: pb.FAILURE_POLICY,
    Stage.ENVIRONMENT: pb.FAILURE_ENVIRONMENT,
    Stage.VERIFY: pb.FAILURE_NOT_GRADED,
}


def failure_of(stage: Stage, error: FarfieldError) -> pb.Failure.ValueType:
    """What is unknown or malformed in a plan shows when its session is made or its reward resolved;
    everything else is the fault of the service that was asked."""
    if stage in (Stage.START, Stage.VERIFY) and isinstance(error, NotFound | InvalidArgument):
        return pb.FAILURE_INVALID_SPEC
    return _BY_STAGE[stage]


@contextmanager
def failing_as(stage: Stage) -> Iterator[None]:
    """Around the calls of a stage: an error that is left after all retries ends the episode."""
    try:
        yield
    except FarfieldError as error:
        raise EpisodeFailed(failure_of(stage, error), f"{stage.value}: {error}") from error


class Budget:
    """What a call that failed may still spend on being made again."""

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._ends = time.monotonic() + config.patience_seconds
        self._retries = config.retries
        self._delays = count()

    def delay(self, error: FarfieldError) -> float | None:
        """Seconds to wait before the next try; None when there is none."""
        if not is_passing(error):
            if not isinstance(error, PluginFailure | DeadlineExceeded) or not self._retries:
                return None
            self._retries -= 1
        config = self._config
        bound = min(config.max_delay_seconds, config.first_delay_seconds * 2 ** next(self._delays))
        delay = max(error.retry_after or 0, bound) * random.uniform(0.5, 1)
        return delay if time.monotonic() + delay <= self._ends else None


def is_passing(error: FarfieldError) -> bool:
    """Away, full, or not yet there: time alone may cure it."""
    return isinstance(error, Unavailable | Exhausted) or error.reason == WEIGHTS_NOT_SERVED


async def retried(call: Callable[[], Awaitable[T]], stage: Stage, config: RetryConfig) -> T:
    """The result of a call that is safe to repeat, made again under its budget."""
    budget = None
    while True:
        try:
            return await call()
        except FarfieldError as error:
            budget = budget or Budget(config)
            delay = budget.delay(error)
            if delay is None:
                raise
            meters.retries.labels(stage.value, type(error).__name__).inc()
        await asyncio.sleep(delay)
