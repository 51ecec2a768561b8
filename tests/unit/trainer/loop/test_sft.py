"""Runs that imitate demonstrations."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from sample_places import EVALUATED, Place, summary
from sample_runs import (
    LANE,
    Life,
    ToyEnvironment,
    Worker,
    sft_config,
    station,
)

from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.server import running
from farfield_trainer.control import End
from farfield_trainer.demonstrations import Demonstrations
from farfield_trainer.peers import always


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
