from typing import Any

import pytest

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.demo.recipe import Job
from farfield_cli.lanes.progress import JobProgress, Progress, evaluated_versions

RL = {
    "algorithm": {"kind": "rl"},
    "updates": 10,
    "batch": {"groups": 4, "group_size": 5},
    "evaluation": {"at_start": False, "suites": {"id": {"episodes": 50}, "ood": {"episodes": 50}}},
}
RUNNING = pb.Run(run_id="rl-s0", state=pb.RUN_STATE_RUNNING)


def watched(kind: str, update: int, suite: str = "", **metrics: float) -> pb.WatchRunResponse:
    report = pb.Report(sequence=update + 1, kind=kind, update=update, suite=suite, metrics=metrics)
    return pb.WatchRunResponse(report=report, run=RUNNING)


@pytest.fixture
def progress() -> JobProgress:
    one = JobProgress(Job("rl", 0, "rl", RL))
    one.begin()
    return one


def test_work_is_done_as_updates_and_evaluations_are_reported(progress: JobProgress) -> None:
    assert progress.work == 10 * 20 * 1.5 + 100
    assert progress.observe(watched("update", 4)) == ""
    assert progress.done == 4 * 20 * 1.5
    assert (
        progress.observe(watched("eval", 4, "ood", success=0.2, episodes=50))
        == "update 4/10, ood 20.0 ± 5.7 %"
    )
    assert progress.done == 4 * 20 * 1.5 + 50
    assert progress.latest["ood"].n == 50


def test_what_a_resumed_trainer_reports_again_does_not_set_progress_back(progress: JobProgress) -> None:
    progress.observe(watched("update", 4))
    progress.observe(watched("checkpoint", 2, restored=1))
    assert progress.update == 4


def test_the_end_is_told_once_with_the_state(progress: JobProgress) -> None:
    over = pb.WatchRunResponse(run=pb.Run(state=pb.RUN_STATE_SUCCEEDED, update=10, updates=10))
    assert progress.observe(over) == "succeeded"
    assert progress.over
    assert progress.done == progress.work


def test_the_rest_is_estimated_by_the_slower_lane() -> None:
    fast, slow = Job("sft", 0, "sft", RL), Job("rl", 0, "rl", RL)
    both = Progress([fast, slow], lane_of=lambda job: job.lane)
    assert both.remaining_seconds() is None
    for job, update in ((fast, 9), (slow, 1)):
        both.of(job).begin()
        both.of(job).observe(watched("update", update))
    estimate = both.remaining_seconds()
    assert estimate is not None
    assert estimate > 0


@pytest.mark.parametrize(
    ("config", "versions"),
    [
        ({"updates": 0, "evaluation": {"at_start": True}}, {0}),
        ({"updates": 45, "evaluation": {"every": 9, "at_start": False}}, {9, 18, 27, 36, 45}),
        ({"updates": 10, "evaluation": {"every": 4}}, {0, 4, 8, 10}),
        ({"updates": 10}, {0, 10}),
    ],
)
def test_which_versions_are_evaluated(config: dict[str, Any], versions: set[int]) -> None:
    assert evaluated_versions(config) == versions
