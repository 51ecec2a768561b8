"""Runs whose queue is wiped, away, or tells things twice."""

import asyncio
from typing import Any

from sample_places import Place, summary
from sample_runs import (
    Life,
    Worker,
    play,
    run_config,
    station,
)

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import Unavailable
from farfield_kernel.queue.contract import Collected
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.weights import Weights
from farfield_trainer.control import End


async def test_a_queue_that_is_wiped_while_the_run_waits_is_told_again(place: Place) -> None:
    wiped = asyncio.Event()

    def lose_one(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        if spec.update == 1 and not wiped.is_set():
            wiped.set()
            place.queue._runs.clear()
            place.queue._active.clear()
            place.queue._weights.clear()
        return play(spec, weights)

    place.worker.play = lose_one
    life = place.life(run_config(), replan_seconds=0.05)
    assert await life.live() is End.FINISHED
    assert wiped.is_set()
    assert summary(life)["trained_exactly_once"]


class Outage:
    """The queue, which cannot be reached while `away`."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue, self.away = queue, False

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            if self.away:
                raise Unavailable("no route to the queue")
            return await getattr(self._queue, name)(*args)

        return call


async def test_a_queue_that_is_away_is_waited_for(place: Place) -> None:
    outage = Outage(place.queue)
    outage.away = True
    life = place.life(run_config())
    life.loop._station = station(outage)  # type: ignore[arg-type]
    living = asyncio.ensure_future(life.live())
    async for report in life.reports.watch(0):
        if report.kind == "phase":
            outage.away = False
        if report.kind == "update" and report.update == 2:
            outage.away = True
            await asyncio.sleep(0)
        if report.update == 3:
            break
        if report.kind == "phase" and report.update == 2:
            outage.away = False
    assert await living is End.FINISHED
    assert summary(life)["trained_exactly_once"]
    phases = [line.metrics.get("waiting_for_queue") for line in life.lines("phase")]
    assert phases[:2] == [1.0, 0.0]


async def test_what_is_still_arriving_after_an_outage_is_not_lost(place: Place) -> None:
    """The queue has delivered an update's trajectories, and is seen to be back before they are here."""
    sent, here = asyncio.Event(), asyncio.Event()

    class Slow(MemoryQueue):
        away = False

        async def collect(self, *given: Any) -> list[Collected]:
            found = await super().collect(*given)
            if any(item.trajectory.spec.update == 1 for item in found):
                sent.set()
                await here.wait()
            return found

        async def acknowledge(self, *given: Any) -> None:
            if self.away:
                self.away = False
                raise Unavailable("no route to the queue")
            await super().acknowledge(*given)

    queue = Slow()
    alone = {"kind": "rl", "advantage": {"estimator": "reinforce++"}}
    config = run_config(batch={"groups": 1, "group_size": 1}, algorithm=alone)
    life = Life(config, place.folder / "r", station(queue))
    async with Worker(queue).working() as worker:
        living = asyncio.ensure_future(life.live())
        await sent.wait()
        queue.away = True
        await life.control.request_save()
        here.set()
        assert await living is End.FINISHED
    assert len(life.lines("phase")) == 2, "it went away and came back"
    assert len(worker.played) == len(set(worker.played)) == 4


async def test_an_episode_committed_twice_is_trained_on_once(place: Place) -> None:
    def twice(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        if spec.index == 0:
            run = place.queue._runs["r"]
            run.trajectories[f"copy-{spec.episode_id}"] = play(spec, weights).SerializeToString()
        return play(spec, weights)

    place.worker.play = twice
    life = place.life(run_config())
    await life.live()
    record = summary(life)
    assert record["trained_exactly_once"]
    assert record["episodes"]["trained"] == 16
    assert record["episodes"]["duplicates"] > 0
