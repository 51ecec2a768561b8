"""An environment of OpenEnv and its server: an echo. Run by an interpreter that has `openenv-core`.

python tests/integration/openenv_echo.py
"""

import json
import socket
import sys
from typing import Any

import uvicorn
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State


class Said(Action):
    response: str


class Shown(Observation):
    text: str = ""


class Echo(Environment):
    """Written as OpenEnv's guide shows: plain methods, which its server calls on a thread."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State(step_count=0)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Shown:
        return Shown(text=f"episode {seed}")

    def step(self, action: Said, timeout_s: float | None = None, **_: Any) -> Shown:
        return Shown(text=f"you said {len(action.response)}", reward=0.0)

    @property
    def state(self) -> State:
        return self._state


def serve() -> None:
    app = create_fastapi_app(Echo, Said, Shown, max_concurrent_envs=1000)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(json.dumps({"port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    serve()
