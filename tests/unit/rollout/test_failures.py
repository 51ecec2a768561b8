"""What is tried again and for how long."""

import pytest

from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield_kernel.errors import (
    WEIGHTS_NOT_SERVED,
    Conflict,
    DataLoss,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_rollout.config import RetryConfig
from farfield_rollout.failures import Budget, EpisodeFailed, Stage, failing_as, failure_of, retried

PATIENT = RetryConfig(patience_seconds=100, retries=2, first_delay_seconds=1, max_delay_seconds=4)


def test_delays_double_up_to_a_bound_with_jitter() -> None:
    budget = Budget(PATIENT)
    for bound in (1, 2, 4, 4, 4):
        delay = budget.delay(Unavailable("away"))
        assert delay is not None
        assert bound / 2 <= delay <= bound


def test_a_service_that_is_full_says_when_to_come_back() -> None:
    delay = Budget(PATIENT).delay(Exhausted("full", retry_after=30))
    assert delay is not None
    assert 15 <= delay <= 30


@pytest.mark.parametrize("error", [PluginFailure("raised"), DeadlineExceeded("late")])
def test_failures_inside_a_service_are_tried_again_a_few_times(error) -> None:
    budget = Budget(PATIENT)
    assert [budget.delay(error) is not None for _ in range(4)] == [True, True, False, False]
    assert budget.delay(Unavailable("away")) is not None


@pytest.mark.parametrize(
    "error",
    [
        InvalidArgument("no"),
        NotFound("no"),
        Conflict("no"),
        DataLoss("no"),
        FailedPrecondition("no images"),
    ],
)
def test_what_no_time_cures_is_not_tried_again(error) -> None:
    assert Budget(PATIENT).delay(error) is None


def test_weights_that_are_behind_are_waited_for() -> None:
    assert Budget(PATIENT).delay(FailedPrecondition("not yet", reason=WEIGHTS_NOT_SERVED)) is not None


def test_patience_ends() -> None:
    assert Budget(RetryConfig(patience_seconds=0)).delay(Unavailable("away")) is None


async def test_a_call_is_made_until_it_succeeds() -> None:
    config = RetryConfig(patience_seconds=10, retries=1, first_delay_seconds=0.001)
    errors = [Unavailable("away"), PluginFailure("raised"), Unavailable("away")]

    async def call() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    assert await retried(call, Stage.VERIFY, config) == "done"


async def test_the_last_error_is_raised() -> None:
    async def call() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound, match="gone"):
        await retried(call, Stage.VERIFY, PATIENT)


def test_every_stage_has_its_failure() -> None:
    broken, unknown = PluginFailure("raised"), NotFound("unknown")
    assert [failure_of(stage, broken) for stage in Stage] == [
        pb.FAILURE_ENVIRONMENT,
        pb.FAILURE_POLICY,
        pb.FAILURE_ENVIRONMENT,
        pb.FAILURE_NOT_GRADED,
    ]
    assert [failure_of(stage, unknown) for stage in Stage] == [
        pb.FAILURE_INVALID_SPEC,
        pb.FAILURE_POLICY,
        pb.FAILURE_ENVIRONMENT,
        pb.FAILURE_INVALID_SPEC,
    ]


def test_an_error_of_a_stage_ends_the_episode() -> None:
    with pytest.raises(EpisodeFailed, match="verify: broke") as caught, failing_as(Stage.VERIFY):
        raise PluginFailure("broke")
    assert caught.value.failure == pb.FAILURE_NOT_GRADED


def test_a_bug_is_no_failure_of_the_episode() -> None:
    with pytest.raises(ZeroDivisionError), failing_as(Stage.VERIFY):
        _ = 1 / 0
