"""A session on an OpenEnv server: one WebSocket, one answer to each message."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from farfield_openenv.adapter.link import Answer, EnvironmentFault, Refused, answer_of
from farfield_openenv.protocol import PATH, ErrorCode

log = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CLOSE_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Full(EnvironmentFault):
    """The server has no room for a session now."""


class Remote:
    """A server that is full is asked again for as long as the caller waits: many have room for one alone."""

    def __init__(self, url: str) -> None:
        self._url = socket_url(url)
        self._socket: ClientConnection | None = None

    async def reset(self, data: Mapping[str, Any]) -> Answer:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._ask("reset", data)
            except Full as error:
                log.info("waiting for %s: %s", self._url, error)
            await self.close()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def step(self, action: Mapping[str, Any]) -> Answer:
        return await self._ask("step", action)

    async def close(self) -> None:
        """The server frees the session with its connection."""
        socket, self._socket = self._socket, None
        if socket:
            await socket.close()

    async def _ask(self, kind: str, data: Mapping[str, Any]) -> Answer:
        socket = self._socket = self._socket or await self._connect()
        try:
            with contextlib.suppress(ConnectionClosed):  # a full server says why before it is asked
                await socket.send(json.dumps({"type": kind, "data": data}))
            message = json.loads(await socket.recv())
        except ConnectionClosed as error:
            raise EnvironmentFault(f"{self._url} closed the connection: {error}") from error
        except ValueError as error:
            raise EnvironmentFault(f"{self._url} answered no JSON: {error}") from error
        return self._read(message)

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                self._url, max_size=_MAX_ANSWER_BYTES, compression=None, close_timeout=_CLOSE_SECONDS
            )
        except (OSError, WebSocketException, TimeoutError) as error:
            raise EnvironmentFault(f"cannot connect to {self._url}: {error}") from error

    def _read(self, message: Any) -> Answer:
        kind = message.get("type") if isinstance(message, dict) else None
        data = message.get("data") if isinstance(message, dict) else None
        if kind == "observation":
            return answer_of(data)
        if kind != "error" or not isinstance(data, dict):
            raise EnvironmentFault(f"{self._url} answered {str(message)[:200]!r}")
        code, said = data.get("code"), str(data.get("message"))
        if code == ErrorCode.VALIDATION_ERROR:
            raise Refused(said, data.get("errors") or [])
        raise (Full if code == ErrorCode.CAPACITY_REACHED else EnvironmentFault)(f"{said} ({code})")


def socket_url(url: str) -> str:
    """`http://host/base` as `ws://host/base/ws`."""
    if url.startswith("http"):
        url = "ws" + url.removeprefix("http")
    return url.rstrip("/").removesuffix(PATH) + PATH
