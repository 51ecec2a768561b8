"""The reference of `environment.py --openenv`: the same echo environment behind OpenEnv.

Run by an interpreter that has `openenv-core` and `uvloop`:
    python benchmarks/openenv_echo.py serve
    python benchmarks/openenv_echo.py play PORT SESSIONS SECONDS IMAGE_BYTES
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

RESPONSE = "11 7 9 12 : ( 11 - 7 ) * 9 - 12 = 24"


class Said(Action):
    response: str
    image_bytes: int = 0


class Shown(Observation):
    text: str = ""
    image: str = ""


class Echo(Environment):
    """Written as OpenEnv's guide shows: plain methods, which its server calls on a thread."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State(step_count=0)
        self._image = bytearray(os.urandom(60 * 1024))

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Shown:
        return Shown(text=f"episode {seed}")

    def step(self, action: Said, timeout_s: float | None = None, **_: Any) -> Shown:
        self._image[0] = (self._image[0] + 1) % 256
        image = base64.b64encode(self._image[: action.image_bytes]).decode() if action.image_bytes else ""
        return Shown(text=f"you said {len(action.response)}", image=image, reward=0.0)

    @property
    def state(self) -> State:
        return self._state


def serve() -> None:
    app = create_fastapi_app(Echo, Said, Shown, max_concurrent_envs=1000)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(json.dumps({"port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


async def play(port: int, sessions: int, seconds: float, image_bytes: int) -> float:
    async def one(client: GenericEnvClient, end: float) -> int:
        steps = 0
        while time.perf_counter() < end:
            result = await client.step({"response": RESPONSE, "image_bytes": image_bytes})
            assert result.observation["text"] == "you said 36", result
            if image_bytes:
                assert len(base64.b64decode(result.observation["image"])) == image_bytes
            steps += 1
        return steps

    clients = [GenericEnvClient(base_url=f"http://127.0.0.1:{port}") for _ in range(sessions)]
    for number, client in enumerate(clients):
        await client.connect()
        await client.reset(seed=number)
    began = time.perf_counter()
    steps = sum(await asyncio.gather(*(one(client, began + seconds) for client in clients)))
    rate = steps / (time.perf_counter() - began)
    for client in clients:
        await client.close()
    return rate


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        port, sessions, seconds, image_bytes = sys.argv[2:]
        print(uvloop.run(play(int(port), int(sessions), float(seconds), int(image_bytes))))
