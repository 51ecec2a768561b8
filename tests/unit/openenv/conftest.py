"""An OpenEnv server of a few lines: a word game, with switches for what may go wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve


class WordServer:
    """`guess` is the action's field; the word is the seed's last digit in words. `answer` may replace what
    it would say to a message."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.open = 0
        self.room = 100
        self.answer: Callable[[dict[str, Any]], Any] = lambda message: None
        self.url = ""

    async def connected(self, connection: ServerConnection) -> None:
        if self.open >= self.room:
            await connection.send(json.dumps(error("full", "CAPACITY_REACHED")))
            return
        self.open += 1
        try:
            async for text in connection:
                message = json.loads(text)
                self.messages.append(message)
                said = self.answer(message) or self.play(message)
                await connection.send(said if isinstance(said, str) else json.dumps(said))
        finally:
            self.open -= 1

    def play(self, message: dict[str, Any]) -> dict[str, Any]:
        data = message["data"]
        if message["type"] == "reset":
            self.word = str(data["seed"] % 10)
            return observation({"text": "which digit?"})
        if set(data) != {"guess"}:
            wrong = [{"loc": ["guess"], "type": "missing", "msg": "Field required"}]
            return error("Invalid message", "VALIDATION_ERROR", errors=wrong)
        if len(data["guess"]) > 5:
            wrong = [{"loc": ["guess"], "type": "string_too_long", "msg": "at most 5 characters"}]
            return error("Invalid message", "VALIDATION_ERROR", errors=wrong)
        right = data["guess"] == self.word
        return observation({"text": "yes" if right else "no"}, float(right), right, {"length": 1})

    async def open_are(self, count: int) -> None:
        while self.open != count:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.01)


def observation(
    shown: dict[str, Any], reward: float | None = None, done: bool = False, metadata: dict | None = None
) -> dict[str, Any]:
    data = {"observation": {**shown, "metadata": metadata or {}}, "reward": reward, "done": done}
    return {"type": "observation", "data": data}


def error(message: str, code: str, **details: Any) -> dict[str, Any]:
    return {"type": "error", "data": {"message": message, "code": code, **details}}


@pytest.fixture
async def words() -> AsyncIterator[WordServer]:
    server = WordServer()
    async with serve(server.connected, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
