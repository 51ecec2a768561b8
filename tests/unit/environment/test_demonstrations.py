from collections.abc import Iterator

import pytest
import sample_environments as samples
from sample_core import Core, OpenCore

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.demonstrations import Demonstrations
from farfield_kernel import errors
from farfield_sdk import Demonstration


class Endless(samples.Counting):
    name = "endless"

    @classmethod
    def demonstrate(cls, options: samples.CountingOptions, seed: int, style: str) -> Iterator[Demonstration]:
        while True:
            yield from super().demonstrate(options, seed, style)


class Broken(samples.Counting):
    name = "broken"

    @classmethod
    def demonstrate(cls, options: samples.CountingOptions, seed: int, style: str) -> Iterator[Demonstration]:
        raise ValueError("no expert")


async def ask(
    core: Core, name: str, seed: int = 0, count: int = 1, style: str = "plain"
) -> list[pb.DemonstrateResponse]:
    resolved = await core.catalog.resolve(pb.EnvironmentRef(name=name))
    stream = Demonstrations(core.config, core.seats).stream(resolved, seed, count, style)
    return [one async for one in stream]


async def test_one_demonstration_for_each_seed_in_order(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        answers = await ask(core, "counting", seed=5, count=40)
        assert [one.seed for one in answers] == list(range(5, 45))
        assert answers[3].messages[0].parts[0].text == "seed 8"
        assert [one.parts[0].text for one in answers[0].messages] == ["seed 5", "3"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"style": "fancy"}, "no demonstrations of style 'fancy'; it has: plain"),
        ({"count": 0}, "at least one"),
        ({"seed": -1}, "leave the range"),
        ({"seed": 2**63 - 1, "count": 2}, "leave the range"),
    ],
)
async def test_malformed_requests(open_core: OpenCore, wrong: dict, says: str) -> None:
    async with open_core(samples.Counting) as core:
        with pytest.raises(errors.InvalidArgument, match=says):
            await ask(core, "counting", **wrong)


async def test_an_endless_expert_is_cut(open_core: OpenCore) -> None:
    async with open_core(Endless) as core:
        assert len(await ask(core, "endless")) == 1000


async def test_an_expert_that_raises_is_named(open_core: OpenCore) -> None:
    async with open_core(Broken) as core:
        with pytest.raises(
            errors.PluginFailure, match="'broken' failed in demonstrate: ValueError: no expert"
        ):
            await ask(core, "broken")
