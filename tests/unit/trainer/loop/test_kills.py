"""Runs that are killed, and go on. A kill is a task that ends anywhere, with only disk and queue left."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sample_places import EVALUATED, Place, checkpoints, summary, unbroken
from sample_runs import (
    LANE,
    HashLearner,
    Life,
    Worker,
    run_config,
    station,
    suites,
)

from farfield_kernel.errors import DataLoss, Exhausted
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.weights import Weights
from farfield_trainer.control import End
from farfield_trainer.run_config import RunConfig


@pytest.mark.parametrize(
    ("update", "kind"), [(1, "update"), (2, "update"), (2, "checkpoint"), (3, "update"), (4, "update")]
)
async def test_a_killed_run_ends_with_the_same_weights(
    place: Place, tmp_path: Path, update: int, kind: str
) -> None:
    config = run_config(evaluation=EVALUATED)
    expected = await unbroken(tmp_path / "unbroken", config)
    await place.life(config).killed_at(update, kind)
    life = place.life(config)
    assert await life.live() is End.FINISHED
    assert life.history == expected.history
    assert summary(life)["trained_exactly_once"]
    assert len(place.worker.played) == len(set(place.worker.played)), "the queue kept what was played"
    keys = [(line.kind, line.update, line.suite) for line in life.reports.all() if line.kind != "checkpoint"]
    assert len(keys) == len(set(keys))
    assert {key for key in keys if key[0] == "update"} == {("update", done, "") for done in range(1, 5)}
    results = {(line.update, line.suite): line.metrics["success"] for line in life.lines("eval")}
    assert results == {(line.update, line.suite): line.metrics["success"] for line in expected.lines("eval")}


async def test_killed_again_and_again(place: Place, tmp_path: Path) -> None:
    config = run_config(updates=6, checkpoint={"every": 3})
    expected = await unbroken(tmp_path / "unbroken", config)
    for update in (1, 2, 4, 5):
        await place.life(config).killed_at(update, "update")
    life = place.life(config)
    await life.live()
    assert life.history == expected.history
    assert summary(life)["trained_exactly_once"]


async def test_a_kill_between_checkpoint_and_acknowledgement(place: Place, tmp_path: Path) -> None:
    config = run_config()
    expected = await unbroken(tmp_path / "unbroken", config)
    reached = asyncio.Event()

    class Stuck(MemoryQueue):
        async def acknowledge(self, run_id: str, entry_ids: Any) -> None:
            reached.set()
            await asyncio.Event().wait()

    queue = Stuck()
    async with Worker(queue).working():
        first = asyncio.ensure_future(Life(config, place.folder / "r", station(queue)).live())
        await reached.wait()
        first.cancel()
        await asyncio.wait({first})
    queue.acknowledge = MemoryQueue().acknowledge  # type: ignore[method-assign]
    async with Worker(queue).working() as worker:
        life = Life(config, place.folder / "r", station(queue))
        assert await life.live() is End.FINISHED
    assert life.history == expected.history
    assert len(worker.played) == 8, "the first two updates were not played again"
    assert summary(life)["trained_exactly_once"]


async def test_going_back_to_a_checkpoint_does_not_send_the_policies_back(place: Place) -> None:
    announced: list[int] = []

    class Watched(MemoryQueue):
        async def announce(self, lane: str, weights: Weights) -> None:
            announced.append(weights.version)
            await super().announce(lane, weights)

    queue, config = Watched(), run_config(updates=6, checkpoint={"every": 5})
    async with Worker(queue).working():
        await Life(config, place.folder / "r", station(queue)).killed_at(4, "update")
        announced.clear()
        await Life(config, place.folder / "r", station(queue)).live()
    assert announced == [4, 5, 6], "episodes of versions 0 to 3 are in the queue"


async def test_an_evaluation_that_ends_while_a_checkpoint_is_written(place: Place) -> None:
    saving, reported = asyncio.Event(), threading.Event()
    running_loop = asyncio.get_running_loop()

    class Slow(HashLearner):
        def save(self, folder: Path) -> None:
            running_loop.call_soon_threadsafe(saving.set)
            reported.wait(10)
            super().save(folder)

    class Waiting(Worker):
        async def _one(self, run_id: str, claim: Any) -> None:
            if claim.spec.suite:
                await saving.wait()
            await super()._one(run_id, claim)

    config = run_config(updates=2, checkpoint={"every": 1}, evaluation={"suites": suites(id=1)})
    queue = MemoryQueue()
    async with Waiting(queue).working():
        first = Life(config, place.folder / "r", station(queue, make_learner=Slow))
        living = asyncio.ensure_future(first.live())
        async for report in first.reports.watch(0):
            if report.kind == "eval":
                reported.set()
            if report.kind == "checkpoint":
                break
        living.cancel()
        await asyncio.wait({living})
        life = Life(config, place.folder / "r", station(queue))
        await life.live()
    assert [line.update for line in life.lines("eval")] == [0, 2]


async def test_a_kill_and_a_wiped_queue_lose_nothing(place: Place, tmp_path: Path) -> None:
    config = run_config(evaluation=EVALUATED)
    expected = await unbroken(tmp_path / "unbroken", config)
    await place.life(config).killed_at(3, "update")
    await place.queue.drop("r")
    life = place.life(config)
    await life.live()
    assert life.history == expected.history
    assert summary(life)["trained_exactly_once"]


async def test_a_torn_checkpoint_falls_back_to_the_one_before(place: Place, tmp_path: Path) -> None:
    config = run_config(updates=6)
    expected = await unbroken(tmp_path / "unbroken", config)
    first = place.life(config)
    await first.killed_at(5, "update")
    (checkpoints(first)[-1] / "learner.json").write_text("torn")
    life = place.life(config)
    await life.live()
    assert life.history == expected.history
    assert summary(life)["trained_exactly_once"]
    (restored,) = [line for line in life.lines("checkpoint") if "restored" in line.metrics]
    assert (restored.update, restored.metrics["torn"]) == (2, 1.0)


@dataclass
class Late(Worker):
    """Plays the evaluations of odd versions once the next update is in a checkpoint."""

    checkpoints: Path = Path()

    async def _one(self, run_id: str, claim: Any) -> None:
        version = claim.spec.policy_version
        held, saved = claim.spec.suite and version % 2, f"{version + 1:06d}.*"
        while held and not list(self.checkpoints.glob(saved)):  # noqa: ASYNC110 - a folder is looked at
            await asyncio.sleep(0.002)
        await super()._one(run_id, claim)


@pytest.fixture
async def late(tmp_path: Path) -> AsyncIterator[Place]:
    queue = MemoryQueue()
    async with Late(queue, checkpoints=tmp_path / "r" / "checkpoints").working() as worker:
        yield Place(tmp_path, queue, worker, station(queue))


async def fallen_back(place: Place, config: RunConfig) -> Life:
    """A run that goes on from its checkpoint of update 2, within the evaluation of version 1: that of update
    4, within the evaluation of version 3, is torn."""
    first = place.life(config)
    await first.killed_at(5, "update")
    (checkpoints(first)[-1] / "learner.json").write_text("torn")
    return place.life(config)


EVALUATED_ALWAYS = {"suites": suites(id=2), "every": 1}


async def test_a_checkpoint_fallen_back_to_finishes_its_evaluation(late: Place, tmp_path: Path) -> None:
    config = run_config(updates=6, evaluation=EVALUATED_ALWAYS)
    expected = await unbroken(tmp_path / "unbroken", config)
    life = await fallen_back(late, config)
    assert await life.live() is End.FINISHED
    assert life.history == expected.history
    assert [line.update for line in life.lines("eval")] == list(range(7))


async def test_an_evaluation_whose_weights_are_gone_is_lost_and_the_run_is_not(
    late: Place, tmp_path: Path
) -> None:
    config = run_config(updates=6, evaluation=EVALUATED_ALWAYS)
    expected = await unbroken(tmp_path / "unbroken", config)
    life = await fallen_back(late, config)
    (life.folder / "weights" / "000001" / "model.bin").write_text("torn")
    assert await life.live() is End.FINISHED
    assert life.history == expected.history
    assert [line.update for line in life.lines("eval")] == [0, 2, 3, 4, 5, 6]
    lost = [line.update for line in life.lines("phase") if "evaluation_lost" in line.metrics]
    assert lost == [1]
    assert summary(life)["trained_exactly_once"]


async def test_without_an_intact_checkpoint_the_run_does_not_start_over(place: Place) -> None:
    config = run_config()
    first = place.life(config)
    await first.killed_at(3, "update")
    for folder in checkpoints(first):
        (folder / "learner.json").write_text("torn")
    with pytest.raises(DataLoss, match="every checkpoint of the run is torn"):
        await place.life(config).live()


async def test_a_full_disk_fails_the_run_and_loses_nothing(place: Place, tmp_path: Path) -> None:
    config = run_config()
    expected = await unbroken(tmp_path / "unbroken", config)

    class NoRoom(HashLearner):
        def save(self, folder: Path) -> None:
            Path("/dev/full").write_text(self.history)

    with pytest.raises(Exhausted, match="No space left on device"):
        await place.life(config, make_learner=NoRoom).live()
    assert len(place.queue._runs["r"].trajectories) == 8, "nothing was acknowledged"
    assert await place.queue.active_run(LANE) is None
    life = place.life(config)
    await life.live()
    assert life.history == expected.history
