"""Against the real services, in this process."""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from PIL import Image

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import (
    EnvironmentServiceServicer,
    add_EnvironmentServiceServicer_to_server,
)
from farfield.types.v1 import types_pb2
from farfield_cli.play.commands import terms_of
from farfield_cli.play.episode import pictures_of, play, text_of
from farfield_cli.services import Services, environment_ref, leaf_plan
from farfield_environment import service as environment_service
from farfield_environment.config import EnvironmentConfig
from farfield_generalpoints.answers import compose
from farfield_generalpoints.solver import solutions
from farfield_kernel import plugins
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import DeadlineExceeded, FarfieldError, NotFound
from farfield_kernel.server import Mount, ServerConfig, running
from farfield_verifier import service as verifier_service
from farfield_verifier.config import VerifierConfig

PLAN = leaf_plan("generalpoints", {"rewards": "paper"})


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    hosted = plugins.load("farfield.environments"), plugins.load("farfield.verifiers")
    async with (
        environment_service.assembled(EnvironmentConfig(), hosted[0]) as environment,
        verifier_service.assembled(VerifierConfig(), hosted[1]) as verifier,
        running([environment.mount]) as environment_address,
        running([verifier.mount]) as verifier_address,
        Services.at(environment_address, verifier_address) as both,
    ):
        yield both


class Withholding(EnvironmentServiceServicer):
    """Sends no image."""

    async def GetBlobs(self, request: env.GetBlobsRequest, context: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield env.GetBlobsResponse()


class Sitting:
    """A table with a person who knows beforehand what to say."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.shown: list[str] = []
        self.pictures: list[bytes] = []
        self.verdicts: list[types_pb2.Verdict] = []

    def show(self, messages: Sequence[types_pb2.Message]) -> None:
        self.shown += map(text_of, messages)
        self.pictures += [picture for message in messages for picture in pictures_of(message)]

    async def answer(self, turn: int) -> str | None:
        return self._answers.pop(0) if self._answers else None

    def judge(self, verdict: types_pb2.Verdict, outcome: env.Outcome) -> None:
        self.verdicts.append(verdict)


def ref(**options: object) -> env.EnvironmentRef:
    return environment_ref("generalpoints", "id", {"target": 10, **options})


async def solution(services: Services, seed: int) -> str | None:
    """A sum that is worth 10, if the hand has one: no solver is needed for those."""
    started = await services.create(ref(), "peek", seed)
    facts = json.loads(started.facts_json)
    await services.close("peek")
    first, *rest = facts["values"]
    for signs in itertools.product((1, -1), repeat=3):
        if first + sum(sign * value for sign, value in zip(signs, rest, strict=True)) == 10:
            terms = "".join(
                f"{'+' if sign > 0 else '-'}{value}" for sign, value in zip(signs, rest, strict=True)
            )
            answer = {"cards": facts["cards"], "number": facts["values"], "formula": f"{first}{terms}=10"}
            return json.dumps(answer)
    return None


async def solvable_by_sums(services: Services) -> tuple[int, str]:
    for seed in itertools.count():
        if found := await solution(services, seed):
            return seed, found
    raise AssertionError("unreachable")


async def test_images_that_do_not_come_are_late() -> None:
    described = env.DESCRIPTOR.services_by_name["EnvironmentService"]
    mount = Mount(described, add_EnvironmentServiceServicer_to_server, Withholding())
    shown = types_pb2.Message(parts=[{"image": {"sha256": "digest"}}])
    async with running([mount], ServerConfig(drain_seconds=0)) as address:
        hasty = ClientConfig(address=address, timeout_seconds=0.05)
        async with Services.at(hasty, address) as services:
            with pytest.raises(DeadlineExceeded):
                await services.fill([shown])


async def test_a_wrong_answer_then_the_right_one(services: Services) -> None:
    seed, right = await solvable_by_sums(services)
    person = Sitting("no idea", right)
    assert await play(services, person, ref(), PLAN, "game", seed) is True
    assert "10" in person.shown[0]
    assert [verdict.correct for verdict in person.verdicts] == [False, True]
    assert person.verdicts[0].feedback
    assert person.verdicts[1].reward == 5


async def peeked(services: Services, chosen: env.EnvironmentRef) -> dict[str, Any]:
    """The facts of seed 1, which a person does not see."""
    started = await services.create(chosen, "peek", 1)
    await services.close("peek")
    return json.loads(started.facts_json)


async def test_cards_in_a_picture(services: Services) -> None:
    chosen = environment_ref("generalpoints", "vl-id", {})
    facts = await peeked(services, chosen)
    values = facts["values"]
    formula = solutions(tuple(sorted(values)), 24)[0]
    right = compose("paper", facts["cards"], values, formula, 24, True)
    misread = right.replace(f'"{facts["cards"][0]}"', '"X"')
    person = Sitting(misread, right)
    assert await play(services, person, chosen, PLAN, "game", 1) is True
    assert [Image.open(io.BytesIO(one)).size for one in person.pictures] == [(600, 240)]
    assert [verdict.reward for verdict in person.verdicts] == [-1.5, 5.0]


async def test_streets_in_pictures(services: Services) -> None:
    chosen = environment_ref("virl", "id_views", {"view_size": 1000})
    first = (await peeked(services, chosen))["targets"][0]
    said = {"current observation": "streets", "current instruction": "go"}
    right = json.dumps(said | {"action": first["action"]})
    person = Sitting(json.dumps(said | {"action": "stop()"}), right)
    await play(services, person, chosen, leaf_plan("virl", {}), "game", 1)
    assert [verdict.correct for verdict in person.verdicts] == [False, True]
    assert len(person.pictures) == 2, "a right step shows the next place"
    assert all(len(picture) > 64 * 1024 for picture in person.pictures), "too large to come inline"


async def test_the_budget_ends_the_game(services: Services) -> None:
    person = Sitting("no", "no", "never asked for")
    assert await play(services, person, ref(max_turns=2), PLAN, "game", 1) is False
    assert len(person.verdicts) == 2


async def test_getting_up_closes_the_session(services: Services) -> None:
    assert await play(services, Sitting(), ref(), PLAN, "game", 1) is None
    assert (await services.environments()).sessions == 0


async def test_mistakes_are_told_as_the_services_tell_them(services: Services) -> None:
    with pytest.raises(NotFound, match="generalpoints"):
        await services.environment("generalpoint")
    with pytest.raises(FarfieldError, match="targett"):
        await play(services, Sitting("x"), ref(targett=3), PLAN, "game", 1)


def test_a_sum_is_not_told_among_its_parts() -> None:
    alone = types_pb2.Verdict(reward=5, terms={"cards/reward": 5, "cards/solved": 5, "cards/recognition": 1})
    assert terms_of(alone) == "recognition +1, solved +5"
    two = types_pb2.Verdict(reward=4, terms={"cards/solved": 5, "length/long": -1})
    assert terms_of(two) == "cards/solved +5, length/long -1"
