import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from sample_runs import ToyEnvironment, sft_config

from farfield.environment.v1.environment_pb2 import DemonstrateResponse
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1.types_pb2 import ROLE_USER, Image, Message, Part
from farfield_kernel.errors import InvalidArgument, Unavailable
from farfield_kernel.server import running
from farfield_model.images import ImageFile
from farfield_trainer.demonstrations import Demonstrations, supervised
from farfield_trainer.peers import always
from farfield_trainer.run_config import RunConfig

Opened = tuple[Demonstrations, ToyEnvironment]


class Restarting(ToyEnvironment):
    """Breaks off the first stream in its middle."""

    broken = False

    async def Demonstrate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for answer in super().Demonstrate(request, context):
            yield answer
            if not self.broken:
                self.broken = True
                raise Unavailable("draining")


class Ahead(ToyEnvironment):
    """Tells when it is asked for a second batch."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_again = asyncio.Event()

    async def Demonstrate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for answer in super().Demonstrate(request, context):
            if len(self.asked) == 2:
                self.asked_again.set()
            yield answer


async def batches(environment: ToyEnvironment, config: RunConfig, *updates: int) -> list[list[str]]:
    async with running([environment.mount()]) as address, grpc.aio.insecure_channel(address) as channel:
        demonstrations = Demonstrations(always(EnvironmentServiceStub(channel)), config)
        taken = [await demonstrations.batch(update) for update in updates]
        await demonstrations.close()
    return [[sample.messages[-1][1] for sample in batch] for batch in taken]


async def test_batches_follow_one_another_and_are_the_same_from_anywhere() -> None:
    config = sft_config()
    one = await batches(ToyEnvironment(), config, 0, 1, 2)
    assert [len(batch) for batch in one] == [3, 3, 3]
    assert await batches(ToyEnvironment(), config, 2) == one[2:]


async def test_the_next_batch_is_fetched_ahead_and_none_after_the_last() -> None:
    environment = Ahead()
    config = sft_config(updates=2)
    async with running([environment.mount()]) as address, grpc.aio.insecure_channel(address) as channel:
        demonstrations = Demonstrations(always(EnvironmentServiceStub(channel)), config)
        await demonstrations.batch(0)
        await environment.asked_again.wait()
        await demonstrations.batch(1)
        await demonstrations.close()
    assert len(environment.asked) == 2


async def test_a_service_that_goes_away_is_waited_for() -> None:
    environment = Restarting()
    assert await batches(environment, sft_config(), 0) == await batches(ToyEnvironment(), sft_config(), 0)
    assert environment.broken


async def test_a_mistake_is_not_tried_again() -> None:
    with pytest.raises(InvalidArgument, match="style 'novice'"):
        await batches(ToyEnvironment(), sft_config(demonstrations={"style": "novice", "batch_size": 1}), 0)


def test_parts_of_a_message_are_joined() -> None:
    answer = DemonstrateResponse(
        messages=[Message(role=ROLE_USER, parts=[Part(text="a "), Part(text="b")])], weights=[0.5]
    )
    sample = supervised(answer)
    assert (list(sample.messages), list(sample.weights)) == ([("user", "a b")], [0.5])


def test_images_keep_their_places() -> None:
    shown = Part(image=Image(sha256="0", data=b"png"))
    answer = DemonstrateResponse(messages=[Message(role=ROLE_USER, parts=[Part(text="a "), shown])])
    ((role, content),) = supervised(answer).messages
    assert (role, content) == ("user", ("a ", ImageFile("0")))
    assert content[1].data == b"png"
