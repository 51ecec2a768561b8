import asyncio
import gc
import sys
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from farfield_openenv.adapter.environment import OpenEnv
from farfield_openenv.adapter.link import EnvironmentFault
from farfield_openenv.adapter.options import LOCAL_CLASSES
from farfield_sdk import State


def remote(words: Any, **options: Any) -> OpenEnv:
    return OpenEnv(OpenEnv.Options(url=words.url, action_field="guess", **options))


async def test_an_episode(words: Any) -> None:
    game = remote(words, instructions="Guess.", reset={"split": "train"})
    start = await game.reset(2**40 + 7)
    assert start.observation.messages[0].text == "Guess.\n\nwhich digit?"
    assert words.messages[0] == {"type": "reset", "data": {"split": "train", "seed": 7}}
    wrong = await game.step("3")
    assert (wrong.state, wrong.success, wrong.facts) == (
        State.CONTINUE,
        False,
        {"reward": 0.0, "malformed": False},
    )
    assert wrong.observation.messages[0].text == "no"
    assert wrong.metrics == {"length": 1.0}
    right = await game.step("7")
    assert (right.state, right.success, right.facts["reward"]) == (State.TERMINATED, True, 1.0)
    await words.open_are(0)


async def test_a_spent_budget_cuts_the_episode_off(words: Any) -> None:
    game = remote(words, max_turns=2)
    await game.reset(1)
    assert [(await game.step("no")).state for _ in range(2)] == [State.CONTINUE, State.TRUNCATED]
    await words.open_are(0)


@pytest.mark.parametrize(
    ("metadata", "reward", "state", "success"),
    [
        ({"truncated": True}, 0.0, State.TRUNCATED, False),
        ({"success": True}, 0.0, State.TERMINATED, True),
        ({"success": False}, 1.0, State.TERMINATED, False),
        ({}, None, State.TERMINATED, False),
    ],
)
async def test_what_metadata_says_of_the_end(
    words: Any, metadata: dict, reward: float | None, state: State, success: bool
) -> None:
    data = {"observation": {}, "reward": reward, "done": True, "metadata": metadata}
    words.answer = lambda message: (
        {"type": "observation", "data": data} if message["type"] == "step" else None
    )
    game = remote(words)
    await game.reset(1)
    outcome = await game.step("x")
    assert (outcome.state, outcome.success) == (state, success)


async def test_a_response_that_is_no_action_is_told_so(words: Any) -> None:
    game = remote(words)
    await game.reset(1)
    refused = await game.step("too long")
    assert (refused.state, refused.facts) == (State.CONTINUE, {"reward": None, "malformed": True})
    assert "guess: at most 5 characters" in refused.observation.messages[0].text
    assert (await game.step("1")).success


async def test_options_that_do_not_fit_are_an_error(words: Any) -> None:
    game = OpenEnv(OpenEnv.Options(url=words.url))
    await game.reset(1)
    with pytest.raises(EnvironmentFault, match="no action made of 'message'"):
        await game.step("1")
    await words.open_are(0)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("nonsense", "answered no JSON"),
        (
            {"type": "error", "data": {"message": "broke", "code": "EXECUTION_ERROR"}},
            r"broke \(EXECUTION_ERROR\)",
        ),
        ({"type": "state", "data": {}}, "answered"),
        ({"type": "observation", "data": {"observation": 1}}, "an observation is due"),
        ('{"type": "observation", "data": {"observation": {}, "reward": NaN}}', "gave nan as a reward"),
        ({"type": "observation", "data": {"observation": {}, "reward": "much"}}, "gave 'much' as a reward"),
        ({"type": "observation", "data": {"observation": {}, "done": 1}}, "answered done: 1"),
    ],
)
async def test_failures_over_there_are_errors_and_free_the_session(words: Any, said: Any, says: str) -> None:
    game = remote(words)
    await game.reset(1)
    words.answer = lambda message: said
    with pytest.raises(EnvironmentFault, match=says):
        await game.step("1")
    await words.open_are(0)


async def test_a_server_that_is_away_is_an_error() -> None:
    game = OpenEnv(OpenEnv.Options(url="http://127.0.0.1:9"))
    with pytest.raises(EnvironmentFault, match=r"cannot connect to ws://127\.0\.0\.1:9/ws"):
        await game.reset(1)


async def test_an_episode_that_is_over_at_once_is_an_error(words: Any) -> None:
    words.answer = lambda message: {"type": "observation", "data": {"observation": {}, "done": True}}
    with pytest.raises(EnvironmentFault, match="over before its first turn"):
        await remote(words).reset(1)


async def test_a_full_server_is_waited_for(words: Any) -> None:
    words.room = 1
    first, second = remote(words), remote(words)
    await first.reset(1)
    waiting = asyncio.ensure_future(second.reset(2))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await first.step("1")
    assert (await waiting).observation.messages[0].text == "which digit?"


async def test_a_session_that_is_let_go_is_closed_over_there(words: Any) -> None:
    game = remote(words)
    await game.reset(1)
    assert words.open == 1
    del game
    gc.collect()
    await words.open_are(0)


class Guess(BaseModel):
    model_config = ConfigDict(extra="forbid")
    guess: str = Field(max_length=5)


class Shown(BaseModel):
    text: str
    reward: float | None = None
    done: bool = False
    metadata: dict = {}


class Word:
    """As OpenEnv's guide has its environments: plain methods."""

    closed = 0

    def reset(self, seed: int | None = None, **_: Any) -> Shown:
        self.word = str(seed)
        return Shown(text="which?")

    def step(self, action: Guess) -> Shown:
        if action.guess == "break":
            raise KeyError("broke")
        right = action.guess == self.word
        return Shown(text="yes" if right else "no", reward=float(right), done=right)

    def close(self) -> None:
        Word.closed += 1


class AsyncWord(Word):
    """Has coroutines of its own, and takes no seed."""

    async def reset_async(self, word: str = "9") -> Shown:
        self.word = word
        return Shown(text="which?")

    async def step_async(self, action: Guess) -> Shown:
        return self.step(action)


class Untyped(Word):
    def step(self, action): ...


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("openenv_words")
    for cls in (Word, AsyncWord, Untyped):
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def game(name: str, **options: Any) -> OpenEnv:
        monkeypatch.setenv(LOCAL_CLASSES, f"openenv_words:{name}")
        given = {"local": f"openenv_words:{name}", "action_field": "guess", **options}
        return OpenEnv(OpenEnv.Options(**given))

    return game


@pytest.mark.parametrize(("name", "word"), [("Word", "4"), ("AsyncWord", "9")])
async def test_an_episode_in_this_process(local: Any, name: str, word: str) -> None:
    closed, game = Word.closed, local(name)
    assert (await game.reset(4)).observation.messages[0].text == "which?"
    assert (await game.step("0")).facts == {"reward": 0.0, "malformed": False}
    assert (await game.step("much too long")).facts == {"reward": None, "malformed": True}
    assert (await game.step(word)).success
    assert Word.closed == closed + 1


async def test_what_a_local_environment_raises_is_an_error(local: Any) -> None:
    game = local("Word")
    await game.reset(4)
    with pytest.raises(EnvironmentFault, match="Word raised KeyError: 'broke'"):
        await game.step("break")


@pytest.mark.parametrize(("name", "says"), [("Untyped", "annotate it"), ("Missing", "cannot import")])
async def test_a_class_that_cannot_be_played_is_named(local: Any, name: str, says: str) -> None:
    with pytest.raises(EnvironmentFault, match=says):
        await local(name).reset(1)
