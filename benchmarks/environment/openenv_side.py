"""The same environments behind OpenEnv, its server and its client. Run by `.peers/openenv/bin/python`.

    python -m benchmarks.environment.openenv_side serve ENVIRONMENT
    python -m benchmarks.environment.openenv_side play PORT

A round's arguments are SESSIONS SECONDS ENVIRONMENT (`player.py`).
"""

import asyncio
import base64
import json
import os
import socket
import sys
import time
from typing import Any

import uvicorn
import uvloop
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from openenv.core.generic_client import GenericEnvClient

from benchmarks.environment.games import IMAGE_BYTES, RESPONSE, length, made
from benchmarks.environment.player import rounds, when_all_are_ready
from farfield_sdk import Image
from farfield_sdk import State as Played

ENVIRONMENT = "BENCHMARK_ENVIRONMENT"
MOST = 1000
"""Sessions that the server takes."""


class Said(Action):
    response: str


class Shown(Observation):
    text: str = ""
    image: str = ""


class Hosted(Environment):
    """As OpenEnv's guide shows: plain methods, which its server calls on a thread. One of Farfield's
    environments plays behind it."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._game = made(os.environ[ENVIRONMENT])
        self._state = State(step_count=0)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Shown:
        return Shown(**told(self._game.reset(seed or 0).observation))

    def step(self, action: Said, timeout_s: float | None = None, **_: Any) -> Shown:
        outcome = self._game.step(action.response)
        done = outcome.state is not Played.CONTINUE
        return Shown(**told(outcome.observation), reward=float(outcome.success), done=done)

    @property
    def state(self) -> State:
        return self._state


def told(observation: Any) -> dict[str, str]:
    """Text, and an image in base64, which is how JSON carries one."""
    parts = [part for message in observation.messages for part in message.parts]
    images = [base64.b64encode(part.data).decode() for part in parts if isinstance(part, Image)]
    return {"text": "".join(message.text for message in observation.messages), "image": "".join(images)}


def serve() -> None:
    app = create_fastapi_app(Hosted, Said, Shown, max_concurrent_envs=MOST)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(json.dumps({"port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


async def going(clients: list[Any], seconds: float, environment: str) -> int:
    """Steps that were answered, by clients that each go their own way."""

    async def one(number: int, client: Any, end: float) -> int:
        steps = 0
        while time.perf_counter() < end:
            await client.reset(seed=number)
            for _ in range(length(environment)):
                result = await client.step({"response": RESPONSE})
                steps += 1
                if environment == "picture":
                    assert len(base64.b64decode(result.observation["image"])) == IMAGE_BYTES
                if time.perf_counter() > end:
                    break
        return steps

    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(one(number, client, end) for number, client in enumerate(clients))))


async def play(port: int, sessions: int, seconds: float, environment: str) -> dict[str, float]:
    clients = [GenericEnvClient(base_url=f"http://127.0.0.1:{port}") for _ in range(sessions)]
    for client in clients:
        await client.connect()
    await going(clients, 0.1, environment)
    measured = when_all_are_ready()
    found = measured(await going(clients, seconds, environment))
    for client in clients:
        await client.close()
    return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        os.environ[ENVIRONMENT] = sys.argv[2]
        serve()
    else:
        port = int(sys.argv[2])
        rounds(lambda *given: uvloop.run(play(port, *given)))
