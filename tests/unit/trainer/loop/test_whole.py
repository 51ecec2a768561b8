"""Runs from start to end in one process, over the queue's in-memory twin."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from sample_places import Place, checkpoints, summary, unbroken
from sample_runs import (
    LANE,
    HashLearner,
    Life,
    Worker,
    run_config,
    station,
)

from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.queue.contract import Backlog
from farfield_kernel.queue.memory import MemoryQueue
from farfield_trainer.control import End
from farfield_trainer.learning.learner import Learner
from farfield_trainer.run_config import RunConfig


async def test_every_planned_episode_is_trained_on_once(place: Place) -> None:
    life = place.life(run_config())
    assert await life.live() is End.FINISHED
    record = summary(life)
    assert record["episodes"] == {
        "planned": 16, "trained": 16, "failed": 0, "evaluated": 0, "evaluated_failed": 0, "duplicates": 0
    }  # fmt: skip
    assert record["trained_exactly_once"]
    assert sorted(place.worker.played) == sorted(set(place.worker.played))
    assert life.lines("update")[-1].metrics["episodes_trained_total"] == 16


async def test_exactly_on_policy_at_staleness_zero(place: Place) -> None:
    life = place.life(run_config())
    await life.live()
    assert [line.metrics["staleness_max"] for line in life.lines("update")] == [0.0] * 4


async def test_phases_and_compute_are_in_every_update(place: Place) -> None:
    life = place.life(run_config(base_tokens=100))
    await life.live()
    last = life.lines("update")[-1].metrics
    assert {"seconds_wait_for_episodes", "seconds_train", "seconds_publish", "seconds_evaluate"} <= set(last)
    assert last["tokens_buffer"] == 16 * 6
    assert last["compute"] == 6 * 10 * (100 + 16) + 2 * 10 * 16 * 6
    assert "learning_rate" not in last, "a figure that is not finite is no figure"


async def test_the_lane_and_the_queue_are_left_clean(place: Place) -> None:
    life = place.life(run_config())
    await life.live()
    assert await place.queue.active_run(LANE) is None
    assert (await place.queue.weights(LANE)).version == 4  # type: ignore[union-attr]
    assert await place.queue.backlog("r") == Backlog(0, 0, 0, 0)


async def test_trajectories_are_acknowledged_after_the_checkpoint_alone(place: Place) -> None:
    seen = []

    class Watching(HashLearner):
        def save(self, folder: Path) -> None:
            seen.append(len(place.queue._runs["r"].trajectories))
            super().save(folder)

    await place.life(run_config(), make_learner=Watching).live()
    assert seen[:2] == [8, 8], "two updates of four each, none acknowledged before"


async def test_stop_ends_a_wait_with_a_checkpoint_and_the_run_can_go_on(tmp_path: Path, place: Place) -> None:
    config = run_config()
    expected = await unbroken(tmp_path / "unbroken", config)
    idle = MemoryQueue()
    life = Life(config, place.folder / "r", station(idle))
    living = asyncio.ensure_future(life.live())
    await life.control.request_save()
    life.control.end(End.STOPPED)
    assert await living is End.STOPPED
    assert checkpoints(life)
    assert await idle.active_run(LANE) is None
    again = place.life(config)
    assert await again.live() is End.FINISHED
    assert again.history == expected.history


async def test_a_suspended_run_keeps_its_lane(place: Place) -> None:
    idle = MemoryQueue()
    life = Life(run_config(), place.folder / "r", station(idle))
    living = asyncio.ensure_future(life.live())
    await life.control.request_save()
    life.control.end(End.SUSPENDED)
    assert await living is End.SUSPENDED
    assert await idle.active_run(LANE) == "r"


async def test_an_id_used_before_with_another_config_is_refused(place: Place) -> None:
    config = run_config()
    await place.life(run_config(seed=9)).killed_at(1, "update")
    with pytest.raises(FailedPrecondition, match="another plan"):
        await place.life(config).live()


async def test_real_weights_are_the_same_bit_for_bit_after_kills(
    place: Place, checkpoint: Path, tmp_path: Path
) -> None:
    config = run_config(base=str(checkpoint), deterministic=True, updates=3, checkpoint={"every": 1})

    def learner(run: RunConfig) -> Learner:
        return Learner(run.algorithm.learner(run.deterministic), run.base, seed=run.seed)

    def digest(life: Life) -> str:
        (found,) = life.folder.glob("weights/000003/model.safetensors")
        return hashlib.sha256(found.read_bytes()).hexdigest()

    queue = MemoryQueue()
    async with Worker(queue).working():
        expected = Life(config, tmp_path / "other", station(queue, make_learner=learner))
        await expected.live()
    for update in (1, 2):
        await place.life(config, make_learner=learner).killed_at(update, "update")
    life = place.life(config, make_learner=learner)
    assert await life.live() is End.FINISHED
    assert digest(life) == digest(expected)
