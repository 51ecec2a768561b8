"""Runs of which episodes fail."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sample_places import EVALUATED, Place, summary, unbroken
from sample_runs import (
    HashLearner,
    play,
    run_config,
)

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, EpisodeSpec, Trajectory
from farfield_kernel.errors import DataLoss
from farfield_kernel.weights import Weights
from farfield_trainer.control import End
from farfield_trainer.failures import TooManyFailures


def failing(fraction_of: int, suite: str = "") -> Any:
    def fail(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        trajectory = play(spec, weights)
        if spec.index % fraction_of == 0 and spec.suite == suite:
            trajectory.failure, trajectory.failure_detail = FAILURE_ENVIRONMENT, "the session was lost"
            trajectory.turns[0].ClearField("verdict")
        return trajectory

    return fail


async def test_failed_episodes_are_counted(place: Place) -> None:
    place.worker.play = failing(4)
    life = place.life(run_config())
    await life.live()
    record = summary(life)
    assert (record["episodes"]["trained"], record["episodes"]["failed"]) == (12, 4)
    assert record["failures"] == {"train": {"environment": 4}, "eval": {}}
    assert record["trained_exactly_once"]


async def test_too_many_failures_stop_the_run_and_it_can_go_on(place: Place, tmp_path: Path) -> None:
    config = run_config()
    expected = await unbroken(tmp_path / "unbroken", config)
    first = place.life(config)
    running_ = asyncio.ensure_future(first.live())
    async for report in first.reports.watch(0):
        if report.kind == "update":
            place.worker.play = failing(2)
            break
    with pytest.raises(TooManyFailures, match=r"2 of 4 episodes failed \(environment 2\).*session was lost"):
        await running_
    place.worker.play = play
    life = place.life(config)
    await life.live()
    assert life.history == expected.history
    assert summary(life)["episodes"]["failed"] == 0


async def test_an_episode_that_cannot_be_learned_from_is_played_anew(place: Place, tmp_path: Path) -> None:
    """As one whose ids and logprobs do not fit together."""

    class Strict(HashLearner):
        def update(self, trajectories: Any, blobs: Any) -> dict[str, float]:
            if not all(item.turns[0].logprobs for item in trajectories):
                raise DataLoss("3 response ids, but 0 logprobs")
            return super().update(trajectories, blobs)

    def torn(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        trajectory = play(spec, weights)
        if spec.update == 3:
            trajectory.turns[0].ClearField("logprobs")
        return trajectory

    config = run_config()
    expected = await unbroken(tmp_path / "unbroken", config)
    place.worker.play = torn
    with pytest.raises(DataLoss, match="0 logprobs"):
        await place.life(config, make_learner=Strict).live()
    place.worker.play = play
    life = place.life(config, make_learner=Strict)
    assert await life.live() is End.FINISHED
    assert life.history == expected.history
    assert summary(life)["trained_exactly_once"]


async def test_too_many_failures_of_an_evaluation(place: Place) -> None:
    config = run_config(evaluation=EVALUATED)
    place.worker.play = failing(1, suite="ood")
    with pytest.raises(TooManyFailures, match="evaluation ood of version 0"):
        await place.life(config).live()
    place.worker.play = play
    life = place.life(config)
    await life.live()
    assert {(line.update, line.suite) for line in life.lines("eval")} >= {(0, "ood"), (0, "id"), (4, "ood")}
