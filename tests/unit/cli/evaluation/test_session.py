"""Against real services in this process, with a policy that speaks from a script."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farfield_cli.evaluation.cast import check_playable, meet
from farfield_cli.evaluation.place import place
from farfield_cli.evaluation.plan import planned
from farfield_cli.evaluation.session import evaluated
from farfield_cli.evaluation.settings import Players, Settings
from farfield_cli.evaluation.suites import SUITES
from farfield_cli.services import Services
from farfield_environment import service as environment_service
from farfield_environment.config import EnvironmentConfig
from farfield_generalpoints.environment import GeneralPoints
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_kernel import plugins
from farfield_kernel.errors import FailedPrecondition, FarfieldError, InvalidArgument, NotFound, Unavailable
from farfield_kernel.seeds import evaluation_seed
from farfield_kernel.server import running
from farfield_policy import service as policy_service
from farfield_policy.config import PolicyConfig, ScriptedConfig
from farfield_verifier import service as verifier_service
from farfield_verifier.config import VerifierConfig


def right_answer() -> str:
    """Of the first episode of suite gp-l, variant id."""
    environment = GeneralPoints(GeneralPointsOptions(prompt="compact", split="heldout"))
    environment.reset(evaluation_seed(0, 0))
    return environment.oracle()


@pytest.fixture
async def players() -> AsyncIterator[Players]:
    config = PolicyConfig(engine=ScriptedConfig(kind="scripted", responses=(right_answer(),)))
    async with (
        environment_service.assembled(
            EnvironmentConfig(), plugins.load("farfield.environments")
        ) as environment,
        verifier_service.assembled(VerifierConfig(), plugins.load("farfield.verifiers")) as verifier,
        policy_service.assembled(config) as policy,
        running([environment.mount]) as environment_address,
        running([verifier.mount]) as verifier_address,
        running([policy.mount]) as policy_address,
    ):
        yield Players(environment=environment_address, verifier=verifier_address, policy=policy_address)


async def play(players: Players, out: Path, **settings: object):
    asked = {"suite": "gp-l", "episodes": 6, "prompt": "compact", "max_new_tokens": 200} | settings
    return await evaluated(Settings(**asked), players, out, lambda supervisor: None)


async def test_every_episode_is_played_and_measured(players: Players, tmp_path: Path) -> None:
    result = await play(players, tmp_path)
    first, *others = result.variants["id"].outcomes
    assert (first.success, first.turns, first.reward) == (True, 1, 5.0)
    assert all(one.turns == 5 for one in others if not one.success)
    assert [one.index for one in result.variants["ood"].outcomes] == list(range(6))
    assert result.variants["id"].failed == {}
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert json.loads(lines[0])["spec"]["environment"]["options"] == {
        "split": "heldout", "max_turns": 5.0, "prompt": "compact"
    }  # fmt: skip


async def test_the_same_question_has_the_same_answer(players: Players, tmp_path: Path) -> None:
    again = [await play(players, tmp_path / name) for name in "ab"]
    assert again[0].variants == again[1].variants


async def test_any_environment_with_the_roles_that_it_tells(players: Players, tmp_path: Path) -> None:
    result = await play(
        players, tmp_path, suite="", environment_name="generalpoints", variants=("ood", "rank")
    )
    assert {name: one.shift for name, one in result.variants.items()} == {"ood": "ood", "rank": "other"}


@pytest.mark.parametrize("suite", SUITES)
async def test_the_table_of_suites_agrees_with_the_environments(
    players: Players, tmp_path: Path, suite: str
) -> None:
    result = await play(players, tmp_path, suite=suite, episodes=1)
    assert list(result.variants) == [part.variant for part in SUITES[suite].parts]
    assert all(not one.failed for one in result.variants.values())
    seeing = suite != "gp-l"
    assert all(("recognition" in one.measures) == seeing for one in result.variants.values())


@pytest.mark.parametrize("name", ["gp-vl", "virl-vl"])
async def test_pictures_need_a_policy_that_takes_them(players: Players, tmp_path: Path, name: str) -> None:
    suite = SUITES[name]
    async with (
        place(players, tmp_path, lambda supervisor: None) as at,
        Services.at(at.environment, at.verifier) as services,
    ):
        company = await meet(at, services, suite.environment)
        company.policy.capabilities.images = False
        plan = planned(Settings(suite=name), suite, company.environment, company.policy)
        with pytest.raises(FailedPrecondition, match=f"variant {suite.parts[0].variant} shows pictures"):
            await check_playable(services, company, plan)


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ({"options": {"targett": 3}}, FarfieldError, "targett"),
        ({"rewards": {"prize": 3}}, FarfieldError, "prize"),
        ({"suite": "", "environment_name": "chess"}, NotFound, "hosted: generalpoints"),
        ({"suite": "", "environment_name": "virl", "variants": ("x",)}, NotFound, "has id, ood_rule"),
        ({"suite": ""}, InvalidArgument, "--suite NAME"),
    ],
    ids=str,
)
async def test_what_cannot_be_played_is_said_before_it_is(
    players: Players, tmp_path: Path, wrong: dict, kind: type[FarfieldError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        await play(players, tmp_path, **wrong)
    assert not (tmp_path / "eval.json").exists()


async def test_addresses_that_are_wrong(players: Players, tmp_path: Path, unused_tcp_port: int) -> None:
    away = players.model_copy(update={"policy": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(Unavailable, match="no policy service answers at"):
        await play(away, tmp_path)
    mistaken = players.model_copy(update={"policy": players.verifier})
    with pytest.raises(FailedPrecondition, match="is no policy service"):
        await play(mistaken, tmp_path)
