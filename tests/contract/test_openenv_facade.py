"""The facade in OpenEnv's protocol, over our real services."""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import Service
from farfield_environment.service import assembled as environment_service
from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel.errors import InvalidArgument, NotFound
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.server import running
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.config import FacadeConfig
from farfield_openenv.facade.forms import Observation as ObservationForm
from farfield_openenv.facade.server import Facade
from farfield_sdk import (
    Attempt,
    Environment,
    Image,
    Observation,
    Options,
    Outcome,
    Start,
    State,
    Variant,
    Verdict,
    Verifier,
    system,
    user,
)
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled as verifier_service

SECRET = "swordfish"
PICTURE = b"\x89PNG as good as any"
NO_WAIT = {"patience_seconds": 0, "retries": 0}


class RiddleOptions(Options):
    max_turns: int = 2
    picture: bool = False


class Riddle(Environment[RiddleOptions]):
    """Guess the secret."""

    name = "riddle"
    version = "1.0.0"
    Options = RiddleOptions
    modalities = frozenset({"text", "image"})
    executor = "inline"
    variants: ClassVar = {"long": Variant("id", "Many turns.", {"max_turns": 9})}

    def reset(self, seed: int) -> Start:
        self.turns = 0
        parts = ["look", Image(PICTURE)] if self.options.picture else [f"riddle {seed}"]
        return Start(Observation((system("Guess."), user(*parts))), {"secret": SECRET})

    def step(self, response: str) -> Outcome:
        self.turns += 1
        if response == SECRET:
            return Outcome(State.TERMINATED, success=True, metrics={"turns": self.turns})
        spent = self.turns >= self.options.max_turns
        return Outcome(
            State.TRUNCATED if spent else State.CONTINUE, observation=Observation((user("again"),))
        )


class RiddleVerifier(Verifier[Options]):
    """Rewards the secret; breaks while `broken`."""

    name = "riddle"
    version = "1.0.0"
    Options = Options
    executor = "inline"
    broken = False

    def verify(self, attempt: Attempt) -> Verdict:
        if RiddleVerifier.broken:
            raise RuntimeError("the judge is ill")
        right = attempt.response == attempt.facts["secret"]
        return Verdict(float(right), right, "" if right else "wrong", {"right": float(right)})


def loaded(group: str, *classes: type) -> Loaded:
    return Loaded(group, {cls.name: Plugin(cls, "samples==1") for cls in classes}, {})


class Stand:
    """A facade over both services."""

    def __init__(self, port: int, service: Service, facade: Facade) -> None:
        self.port, self.service, self.facade = port, service, facade

    def connect(self, path: str = "/ws", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **options)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        return await asyncio.to_thread(_get, request)

    async def sessions_are(self, count: int) -> None:
        while len(self.service.sessions) != count:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.01)


def _get(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 — of our own server
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@asynccontextmanager
async def services(**environment: Any) -> AsyncIterator[tuple[Service, dict[str, str]]]:
    environments = loaded("farfield.environments", Riddle, GeneralPoints)
    verifiers = loaded("farfield.verifiers", RiddleVerifier, GeneralPointsVerifier)
    async with (
        environment_service(EnvironmentConfig.model_validate(environment), environments) as played,
        verifier_service(VerifierConfig(), verifiers) as judged,
        running([played.mount]) as environment_address,
        running([judged.mount]) as verifier_address,
    ):
        yield played, {"environment": environment_address, "verifier": verifier_address}


@asynccontextmanager
async def standing(environment: dict[str, Any] | None = None, **config: Any) -> AsyncIterator[Stand]:
    async with services(**environment or {}) as (service, addresses):
        given = {"name": "riddle", "port": 0, "retry": NO_WAIT, **addresses, **config}
        async with Backend.connected(FacadeConfig.model_validate(given)) as backend:
            facade = Facade(backend, await backend.describe())
            async with facade.serving() as port:
                yield Stand(port, service, facade)


async def ask(connection: ClientConnection, kind: str, **data: Any) -> dict[str, Any]:
    await connection.send(json.dumps({"type": kind, "data": data}))
    return json.loads(await connection.recv())


async def test_an_episode() -> None:
    async with standing() as stand, stand.connect() as client:
        start = (await ask(client, "reset", seed=7))["data"]
        assert start["reward"] is None
        assert start["done"] is False
        assert start["observation"]["messages"] == [
            {"role": "system", "content": "Guess."},
            {"role": "user", "content": "riddle 7"},
        ]
        assert start["metadata"] == {"environment": "riddle", "version": "1.0.0", "seed": 7}
        wrong = (await ask(client, "step", response="herring"))["data"]
        assert (wrong["reward"], wrong["done"]) == (0.0, False)
        assert wrong["observation"]["messages"] == [{"role": "user", "content": "wrong\nagain"}]
        assert wrong["observation"]["feedback"] == "wrong"
        right = (await ask(client, "step", response=SECRET))["data"]
        assert (right["reward"], right["done"]) == (1.0, True)
        assert right["metadata"] == {
            "turn": 1,
            "success": True,
            "truncated": False,
            "correct": True,
            "parseable": True,
            "terms": {"riddle/right": 1.0, "riddle/reward": 1.0},
            "metrics": {"turns": 2.0},
        }
        assert SECRET not in json.dumps([start, wrong, right])
        for answer in (start, wrong, right):
            ObservationForm.model_validate(answer["observation"])


async def test_a_spent_budget_is_truncation() -> None:
    async with standing(options={"max_turns": 1}) as stand, stand.connect() as client:
        await ask(client, "reset")
        spent = (await ask(client, "step", response="x"))["data"]
        assert (spent["done"], spent["metadata"]["truncated"], spent["metadata"]["success"]) == (
            True,
            True,
            False,
        )
        after = await ask(client, "step", response="x")
        assert after["type"] == "error"
        assert "ended at turn 0" in after["data"]["message"]


async def test_options_of_a_reset() -> None:
    async with standing(options={"max_turns": 1}) as stand, stand.connect() as client:
        await ask(client, "reset", options={"max_turns": 3})
        assert not (await ask(client, "step", response="x"))["data"]["done"]
        await ask(client, "reset", variant="long")
        assert not (await ask(client, "step", response="x"))["data"]["done"]
        refused = (await ask(client, "reset", options={"max_turn": 3}))["data"]
        assert refused["code"] == "VALIDATION_ERROR"
        assert "did you mean 'max_turns'?" in refused["message"]
        refused = (await ask(client, "reset", variant="short"))["data"]
        assert (refused["code"], "it has: long" in refused["message"]) == ("VALIDATION_ERROR", True)


async def test_keys_that_a_reset_does_not_know_are_ignored_and_named() -> None:
    async with standing() as stand, stand.connect() as client:
        start = await ask(client, "reset", seed=1, split="train", index=3)
        assert start["data"]["metadata"]["ignored"] == ["index", "split"]


async def test_seeds() -> None:
    async with standing(name="generalpoints", variant="id") as stand, stand.connect() as client:
        texts = [(await ask(client, "reset", seed=seed))["data"]["observation"]["text"] for seed in (1, 1, 2)]
        assert texts[0] == texts[1] != texts[2]
        drawn = {(await ask(client, "reset"))["data"]["metadata"]["seed"] for _ in range(3)}
        assert len(drawn) == 3


async def test_rewards_are_the_verifiers() -> None:
    reward = {"leaf": {"verifier": "generalpoints", "options": {"rewards": "outcome"}}}
    game = GeneralPoints(GeneralPoints.Options())
    game.reset(3)
    async with (
        standing(name="generalpoints", variant="id", reward=reward) as stand,
        stand.connect() as client,
    ):
        await ask(client, "reset", seed=3)
        wrong = (await ask(client, "step", response="no idea"))["data"]
        assert (wrong["reward"], wrong["metadata"]["parseable"]) == (0.0, False)
        assert (await ask(client, "step", response=game.oracle()))["data"]["reward"] == 1.0


async def test_images_are_data_urls() -> None:
    async with standing() as stand, stand.connect() as client:
        start = (await ask(client, "reset", options={"picture": True}))["data"]["observation"]
        url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
        assert start["messages"][1]["content"] == [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        assert start["text"] == "Guess.\n\nlook"


async def test_state() -> None:
    async with standing() as stand, stand.connect() as client:
        assert (await ask(client, "state"))["data"] == {"episode_id": None, "step_count": 0}
        await ask(client, "reset", episode_id="mine")
        await ask(client, "step", response="x")
        assert (await ask(client, "state"))["data"] == {"episode_id": "mine", "step_count": 1}


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        ("{", "INVALID_JSON", "not JSON"),
        ("[]", "VALIDATION_ERROR", "a message is an object, not list"),
        ('{"type": "mcp"}', "UNKNOWN_TYPE", "known are reset, step, state, close"),
        ('{"type": "step", "data": {"message": "x"}}', "VALIDATION_ERROR", "response: Field required"),
        ('{"type": "step", "data": {"response": "x"}}', "EXECUTION_ERROR", "reset first"),
        ('{"type": "reset", "data": {"seed": -1}}', "VALIDATION_ERROR", "seed: "),
        ('{"type": "reset", "data": 3}', "VALIDATION_ERROR", "data: "),
    ],
)
async def test_what_cannot_be_done_is_an_error_and_the_connection_goes_on(
    message: str, code: str, says: str
) -> None:
    async with standing() as stand, stand.connect() as client:
        await client.send(message)
        error = json.loads(await client.recv())
        assert (error["type"], error["data"]["code"]) == ("error", code)
        assert says in error["data"]["message"]
        assert (await ask(client, "reset"))["type"] == "observation"


async def test_a_broken_judge_is_an_error_and_the_turn_is_graded_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with standing() as stand, stand.connect() as client:
        await ask(client, "reset")
        monkeypatch.setattr(RiddleVerifier, "broken", True)
        error = await ask(client, "step", response="x")
        assert (error["type"], error["data"]["code"]) == ("error", "EXECUTION_ERROR")
        assert "reward" not in error["data"]
        monkeypatch.setattr(RiddleVerifier, "broken", False)
        other = await ask(client, "step", response="y")
        assert "turn 0 was played with another response" in other["data"]["message"]
        graded = (await ask(client, "step", response="x"))["data"]
        assert (graded["metadata"]["turn"], graded["reward"]) == (0, 0.0)


async def test_sessions_are_freed() -> None:
    async with standing() as stand:
        async with stand.connect() as client:
            await ask(client, "reset")
            await ask(client, "reset")
            await stand.sessions_are(1)
        await stand.sessions_are(0)
        async with stand.connect() as client:
            await ask(client, "reset")
            await client.send('{"type": "close"}')
            await client.wait_closed()
        await stand.sessions_are(0)


async def test_a_full_facade_says_so_and_closes() -> None:
    async with standing(max_connections=1) as stand, stand.connect() as first:
        assert (await ask(first, "reset"))["type"] == "observation"
        async with stand.connect() as second:
            refused = json.loads(await second.recv())
            await second.wait_closed()
        assert refused["data"]["code"] == "CAPACITY_REACHED"
        assert (refused["data"]["active_sessions"], refused["data"]["max_sessions"]) == (1, 1)
        assert (await ask(first, "state"))["type"] == "state"


async def test_a_full_service_is_full_in_their_words_too() -> None:
    async with standing({"max_sessions": 1}) as stand, stand.connect() as first, stand.connect() as second:
        await ask(first, "reset")
        refused = await ask(second, "reset")
        assert refused["data"]["code"] == "CAPACITY_REACHED"
        await first.close()
        await stand.sessions_are(0)
        assert (await ask(second, "reset"))["type"] == "observation"


async def test_routes() -> None:
    async with standing() as stand:
        assert await stand.get("/health") == (200, {"status": "healthy"})
        metadata = {"name": "riddle", "description": "Guess the secret.", "version": "1.0.0"}
        assert await stand.get("/metadata") == (200, metadata)
        status, schema = await stand.get("/schema")
        assert (status, schema["action"]["required"]) == (200, ["response"])
        assert set(schema) == {"action", "observation", "reset_observation", "state"}
        _, openapi = await stand.get("/openapi.json")
        assert set(openapi["paths"]) == {"/health", "/metadata", "/schema"}
        assert (await stand.get("/nowhere"))[0] == 404
        with pytest.raises(InvalidStatus, match="404"):
            await stand.connect("/else")


async def test_health_is_that_of_the_services() -> None:
    async with standing() as stand:
        del stand.service.catalog.hosted["riddle"]
        status, health = await stand.get("/health")
        assert (status, health["status"]) == (503, "unhealthy")
        assert "no environment 'riddle'" in health["detail"]


async def test_a_token_is_asked_for() -> None:
    async with standing(token="let me in") as stand:
        assert (await stand.get("/schema"))[0] == 401
        assert (await stand.get("/health"))[0] == 200
        with pytest.raises(InvalidStatus, match="401"):
            await stand.connect()
        async with stand.connect(additional_headers={"Authorization": "Bearer let me in"}) as client:
            assert (await ask(client, "reset"))["type"] == "observation"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"name": "ridle"}, "no plugin 'ridle'"),
        ({"name": "ridle", "reward": {"leaf": {"verifier": "riddle"}}}, "no environment 'ridle'; hosted: "),
        ({"variant": "short"}, "has no variant 'short'; it has: long"),
        ({"reward": {"leaf": {"verifier": "riddle", "options": {"a": 1}}}}, "unknown key"),
    ],
)
async def test_what_is_configured_wrongly_shows_at_the_start(config: dict[str, Any], says: str) -> None:
    with pytest.raises((NotFound, InvalidArgument), match=says):
        async with standing(**config):
            pass
