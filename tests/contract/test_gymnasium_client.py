"""Our environments behind Gymnasium's interface, with the real services."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from farfield_generalpoints import GeneralPoints
from farfield_gymnasium.client import FarfieldEnv, FarfieldVectorEnv, ServiceError

ID = "farfield_gymnasium.client:Farfield-v0"


@pytest.fixture(scope="module")
def at(serve: Callable[..., Any]) -> dict[str, str]:
    """Where the services are."""
    return serve("generalpoints")._asdict()


@pytest.fixture
def make(at: dict[str, str]) -> Iterator[Callable[..., FarfieldEnv]]:
    made: list[FarfieldEnv] = []

    def one(**given: Any) -> FarfieldEnv:
        made.append(FarfieldEnv(**at, **{"name": "generalpoints", **given}))
        return made[-1]

    yield one
    for env in made:
        env.close()


@pytest.fixture
def make_many(at: dict[str, str]) -> Iterator[Callable[..., FarfieldVectorEnv]]:
    made: list[FarfieldVectorEnv] = []

    def some(count: int, **given: Any) -> FarfieldVectorEnv:
        made.append(FarfieldVectorEnv(count, **at, name="generalpoints", **given))
        return made[-1]

    yield some
    for envs in made:
        envs.close()


def oracle(seed: int, **options: Any) -> str:
    game = GeneralPoints(GeneralPoints.Options.model_validate(options))
    game.reset(seed)
    return game.oracle()


@pytest.mark.parametrize("given", [{}, {"observe": "new"}, {"variant": "vl-id", "image_size": (40, 100)}])
def test_gymnasium_finds_nothing_wrong(at: dict[str, str], given: dict[str, Any]) -> None:
    """`check_env` warns of what it dislikes, and warnings are errors here."""
    env = gymnasium.make(ID, disable_env_checker=True, name="generalpoints", **at, **given)
    check_env(env.unwrapped)
    env.close()


def test_an_episode(make: Callable[..., FarfieldEnv]) -> None:
    env = make(options={"max_turns": 3}, render_mode="ansi")
    seen, info = env.reset(seed=5)
    assert seen.startswith("user: ")
    assert info["seed"] == 5
    assert info["messages"][0]["role"] == "user"
    again, reward, terminated, truncated, info = env.step("I give up.")
    assert (reward, terminated, truncated) == (-3, False, False)
    assert again.startswith(f"{seen}\n\nassistant: I give up.\n\nuser: ")
    assert (info["turn"], info["success"], info["correct"], info["parseable"]) == (0, False, False, False)
    assert info["feedback"] in again
    last, reward, terminated, truncated, info = env.step(oracle(5))
    assert (reward, terminated, truncated, info["success"]) == (5, True, False, True)
    assert env.render() == last


def test_facts_are_withheld(make: Callable[..., FarfieldEnv]) -> None:
    env = make()
    _, first = env.reset(seed=5)
    *_, second = env.step("x")
    assert set(first) == {"seed", "messages"}
    assert "facts" not in repr(second)
    assert "solution" not in repr(second)


def test_a_budget_that_is_spent_truncates(make: Callable[..., FarfieldEnv]) -> None:
    env = make(options={"max_turns": 1})
    env.reset(seed=5)
    assert env.step("x")[2:4] == (False, True)
    with pytest.raises(ServiceError, match=r"FAILED_PRECONDITION: the episode of session .* ended"):
        env.step("y")


def test_options_of_one_episode(make: Callable[..., FarfieldEnv]) -> None:
    env = make(observe="new", options={"prompt": "compact"})
    assert env.reset(seed=5, options={"target": 36})[0].startswith("user: target 36")
    assert env.reset(seed=5)[0].startswith("user: target 24")
    feedback, *_ = env.step("x")
    assert feedback.startswith("user: ")
    assert "assistant" not in feedback


def test_rewards_by_a_plan(make: Callable[..., FarfieldEnv]) -> None:
    leaf = {"verifier": "generalpoints", "options": {"rewards": "outcome"}}
    env = make(reward={"shaping": {"plan": {"leaf": leaf}, "perTurn": -0.5}})
    env.reset(seed=5)
    assert [env.step("x")[1], env.step(oracle(5))[1]] == [0, 0.5]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "generalpoint"}, "NOT_FOUND: no plugin 'generalpoint'"),
        ({"options": {"targt": 3}}, "INVALID_ARGUMENT: .*did you mean 'target'"),
    ],
)
def test_errors_say_what_the_service_said(make: Callable[..., FarfieldEnv], given: Any, says: str) -> None:
    with pytest.raises(ServiceError, match=f"(?s){says}"):
        make(**given).reset()


def test_a_turn_that_is_not_graded_has_no_reward_and_stays_open(make: Callable[..., FarfieldEnv]) -> None:
    env = make(reward="nobody")
    env.reset(seed=1)
    for _ in range(2):
        with pytest.raises(ServiceError, match="no plugin 'nobody'"):
            env.step("x")
    with pytest.raises(ServiceError, match=r"ABORTED: turn 0 .* was taken with another response"):
        env.step("y")


def test_pictures(make: Callable[..., FarfieldEnv]) -> None:
    env = make(variant="vl-id", image_size=(40, 100), options={"image_height": 600})
    seen, info = env.reset(seed=5)
    (picture,) = seen["images"]
    assert (picture.shape, picture.dtype) == ((40, 100, 3), np.uint8)
    assert picture.std() > 0
    assert [part["type"] for part in info["messages"][0]["content"]] == ["image", "text"]


def test_a_lost_session_is_replayed(make: Callable[..., FarfieldEnv]) -> None:
    env = make()
    env.reset(seed=5)
    env.step("x")
    assert env._episode is not None
    env._services.discard([env._episode.id])
    assert env.step(oracle(5))[1:3] == (5, True)


def test_many_episodes_are_those_of_one(make: Any, make_many: Any) -> None:
    one, many = make(), make_many(3)
    seen, infos = many.reset(seed=5)
    assert seen in many.observation_space
    assert list(infos["seed"]) == [5, 6, 7]
    words = ["x", oracle(6), "y"]
    seen, rewards, terminated, truncated, infos = many.step(words)
    for i, word in enumerate(words):
        one.reset(seed=5 + i)
        assert one.step(word)[:4] == (seen[i], rewards[i], terminated[i], truncated[i])
    assert list(infos["success"]) == [False, True, False]


def test_an_episode_that_ended_gives_way_in_the_next_step(make_many: Any) -> None:
    many = make_many(2, autoreset_mode="NextStep")
    many.reset(seed=5)
    many.step([oracle(5), "x"])
    seen, rewards, terminated, truncated, infos = many.step([oracle(5), "y"])
    assert seen[0].count("user: ") == 1
    assert (rewards[0], terminated[0], truncated[0]) == (0, False, False)
    assert infos["seed"][0] not in (5, 6)
    assert (rewards[1], infos["turn"][1]) == (-3, 1)


def test_an_episode_that_ended_gives_way_in_the_same_step(make_many: Any) -> None:
    many = make_many(2, autoreset_mode="SameStep")
    many.reset(seed=5)
    seen, rewards, terminated, _, infos = many.step([oracle(5), "x"])
    assert (rewards[0], terminated[0]) == (5, True)
    assert "assistant: " in infos["final_obs"][0]
    assert infos["final_obs"][1] is None
    assert infos["final_info"]["success"][0]
    assert seen[0].count("user: ") == 1
    assert many.step(["x", "y"])[1][0] == -3


def test_the_same_seed_gives_the_same_episodes_throughout(make_many: Any) -> None:
    def played() -> list[Any]:
        many = make_many(4, options={"max_turns": 1}, autoreset_mode="SameStep")
        return [many.reset(seed=9)[0], *(many.step(["x"] * 4)[0] for _ in range(3))]

    first = played()
    assert first == played()
    assert len(set(first)) == 4


def test_gymnasium_makes_many(at: dict[str, str]) -> None:
    many = gymnasium.make_vec(ID, num_envs=2, name="generalpoints", **at)
    assert isinstance(many, FarfieldVectorEnv)
    many.close()


@pytest.mark.parametrize(
    ("given", "says"), [({"seed": [1]}, "1 seeds for 2 environments"), ({}, "1 actions for 2 environments")]
)
def test_numbers_that_do_not_fit(make_many: Any, given: Any, says: str) -> None:
    many = make_many(2)
    with pytest.raises(ValueError, match=says):
        many.reset(**given) and many.step(["x"])
