"""Runs from start to end in one process, over the queue's in-memory twin. A kill is a task that ends
anywhere, with only disk and queue left."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from sample_runs import (
    LANE,
    HashLearner,
    Life,
    ToyEnvironment,
    Worker,
    play,
    run_config,
    sft_config,
    station,
    suites,
)

from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, EpisodeSpec, Trajectory
from farfield_kernel.errors import DataLoss, Exhausted, FailedPrecondition, Unavailable
from farfield_kernel.queue.contract import Backlog, Collected
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.server import running
from farfield_kernel.weights import Weights
from farfield_trainer.control import End
from farfield_trainer.demonstrations import Demonstrations
from farfield_trainer.failures import TooManyFailures
from farfield_trainer.learning.learner import Learner
from farfield_trainer.loop import Station
from farfield_trainer.peers import always
from farfield_trainer.run_config import RunConfig

EVALUATED = {"suites": suites(id=3, ood=2), "every": 2}


@dataclass
class Place:
    """A folder, a queue with a worker, and the lives of run `r` there."""

    folder: Path
    queue: MemoryQueue
    worker: Worker
    station: Station

    def life(self, config: RunConfig, **parts: Any) -> Life:
        chosen = station(self.queue, **parts) if parts else self.station
        return Life(config, self.folder / "r", chosen)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    queue = MemoryQueue()
    async with Worker(queue).working() as worker:
        yield Place(tmp_path, queue, worker, station(queue))


async def unbroken(folder: Path, config: RunConfig) -> Life:
    """The run as it goes when nothing happens."""
    queue = MemoryQueue()
    async with Worker(queue).working():
        life = Life(config, folder, station(queue))
        assert await life.live() is End.FINISHED
    return life


def summary(life: Life) -> dict[str, Any]:
    return json.loads((life.folder / "summary.json").read_text())


def checkpoints(life: Life) -> list[Path]:
    return sorted((life.folder / "checkpoints").iterdir())


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


# Kills


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


# Failures


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


# The queue


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


# Staleness and evaluation


async def test_bounded_staleness_plans_ahead_within_the_bound(place: Place) -> None:
    planned: list[int] = []

    class Admission(MemoryQueue):
        async def plan(self, run_id: str, specs: Any) -> int:
            new = await super().plan(run_id, specs)
            backlog = await self.backlog(run_id)
            planned.append(backlog.queued + backlog.claimed)
            return new

    queue = Admission()
    async with Worker(queue).working():
        life = Life(run_config(max_staleness=1, updates=6), place.folder / "r", station(queue))
        await life.live()
    assert max(planned) <= 8
    ages = [line.metrics["staleness_max"] for line in life.lines("update")]
    assert max(ages) <= 1
    assert summary(life)["trained_exactly_once"]


async def test_evaluations_play_the_same_starts_at_each_version_with_its_weights(place: Place) -> None:
    seen: dict[tuple[str, int], set[tuple[int, int]]] = {}

    def record(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        if spec.suite:
            assert weights.version == spec.policy_version
            seen.setdefault((spec.suite, weights.version), set()).add((spec.environment_seed, spec.index))
        return play(spec, weights)

    place.worker.play = record
    life = place.life(run_config(evaluation=EVALUATED))
    await life.live()
    assert {version for _, version in seen} == {0, 2, 4}
    assert seen["ood", 0] == seen["ood", 2] == seen["ood", 4]
    lines = life.lines("eval")
    assert [(line.update, line.suite) for line in lines] == [(v, s) for v in (0, 2, 4) for s in ("id", "ood")]
    assert lines[0].metrics["episodes"] == 3
    assert lines[0].metrics["compute"] == 0
    assert lines[2].metrics["compute"] > 0
    kept = json.loads((life.folder / "episodes" / "ood" / "000004.json").read_text())
    assert len(kept) == 2


async def test_a_run_without_updates_evaluates_its_base(place: Place) -> None:
    life = place.life(
        sft_config(updates=0, demonstrations=None, evaluation=EVALUATED),
        make_demonstrations=lambda _: Demonstrations(None, sft_config()),
    )  # type: ignore[arg-type]
    assert await life.live() is End.FINISHED
    assert [line.suite for line in life.lines("eval")] == ["id", "ood"]
    for suite, size in EVALUATED["suites"].items():
        outcomes = json.loads((life.folder / "outcomes" / suite / "000000.json").read_text())["episodes"]
        assert [one["index"] for one in outcomes] == list(range(size["episodes"]))


async def test_old_weights_go(place: Place) -> None:
    life = place.life(run_config(updates=6))
    await life.live()
    assert sorted(folder.name for folder in (life.folder / "weights").iterdir()) == ["000005", "000006"]


async def test_versions_to_be_kept_stay(place: Place) -> None:
    life = place.life(run_config(updates=6, keep_versions=[0, 2]))
    await life.live()
    kept = sorted(folder.name for folder in (life.folder / "weights").iterdir())
    assert kept == ["000000", "000002", "000005", "000006"]


async def test_weights_in_an_object_store_outlive_a_kill(place: Place, tmp_path: Path) -> None:
    url, config = (tmp_path / "bucket").as_uri(), run_config(evaluation=EVALUATED)
    expected = await unbroken(tmp_path / "unbroken", config)
    await place.life(config, weights=url).killed_at(2, "eval")
    life = place.life(config, weights=url)
    assert await life.live() is End.FINISHED
    published = tmp_path / "bucket" / "r"
    assert (published / "000004" / "model.bin").read_text() == expected.history
    assert (await place.queue.weights(LANE)).path == f"{url}/r/000004"  # type: ignore[union-attr]
    assert summary(life)["weights"] == f"{url}/r/000004"
    assert sorted(item.name for item in published.iterdir()) == ["000003", "000004"]


# SFT


@pytest.fixture
async def imitating(place: Place) -> AsyncIterator[tuple[Place, ToyEnvironment]]:
    environment = ToyEnvironment()
    async with running([environment.mount()]) as address, grpc.aio.insecure_channel(address) as channel:
        service = always(EnvironmentServiceStub(channel))
        place.station = station(
            place.queue, make_demonstrations=lambda config: Demonstrations(service, config)
        )
        yield place, environment


async def test_sft_takes_each_seed_once(imitating: tuple[Place, ToyEnvironment]) -> None:
    place, environment = imitating
    life = place.life(sft_config(evaluation=EVALUATED))
    assert await life.live() is End.FINISHED
    first = environment.asked[0][0]
    assert environment.asked == [(first + 3 * update, 3) for update in range(4)]
    assert summary(life)["demonstrations"] == 12
    assert [line.update for line in life.lines("eval")] == [0, 0, 2, 2, 4, 4]
    published = {int(folder.name) for folder in (life.folder / "weights").iterdir()}
    assert published <= {0, 2, 4}


@pytest.mark.parametrize("update", [1, 3])
async def test_a_killed_sft_run_ends_with_the_same_weights(
    imitating: tuple[Place, ToyEnvironment], update: int
) -> None:
    place, _ = imitating
    config = sft_config(evaluation=EVALUATED, checkpoint={"every": 1})
    expected = Life(config, place.folder / "other", place.station)
    await expected.live()
    await place.life(config).killed_at(update, "checkpoint")
    life = place.life(config)
    assert await life.live() is End.FINISHED
    assert life.history == expected.history
    evaluated = [(line.update, line.suite) for line in life.lines("eval")]
    assert sorted(evaluated) == [(v, s) for v in (0, 2, 4) for s in ("id", "ood")]
    assert summary(life)["trained_exactly_once"]


async def test_sft_trains_on_while_an_evaluation_is_played(imitating: tuple[Place, ToyEnvironment]) -> None:
    place, _ = imitating
    trained = asyncio.Event()

    class Slow(Worker):
        async def _one(self, run_id: str, claim: Any) -> None:
            await trained.wait()
            await super()._one(run_id, claim)

    queue = MemoryQueue()
    parts = station(queue, make_demonstrations=place.station.make_demonstrations)
    life = Life(sft_config(evaluation=EVALUATED), place.folder / "r", parts)
    async with Slow(queue).working():
        living = asyncio.ensure_future(life.live())
        async for report in life.reports.watch(0):
            if report.kind == "update" and report.update == 2:
                assert not life.lines("eval"), "version 0 is still being played"
                trained.set()
                break
        assert await living is End.FINISHED


async def test_a_wrong_style_fails_the_run(imitating: tuple[Place, ToyEnvironment]) -> None:
    place, _ = imitating
    config = sft_config(demonstrations={"style": "novice", "batch_size": 2})
    with pytest.raises(Exception, match="no demonstrations of style 'novice'"):
        await place.life(config).live()
    assert await place.queue.active_run(LANE) is None


# Ends


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


# The real learner


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
