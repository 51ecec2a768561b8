"""What the facade answers over plain HTTP, before or instead of a WebSocket.

OpenEnv's clients open `/ws`, wait for `/health` and read `/metadata` and `/schema`. Its servers also have
`/reset`, `/step` and `/state`, where every call meets an environment of its own: no client plays over them,
and there are none here, as in OpenEnv's own production mode.
"""

import asyncio
import hmac
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from farfield.environment.v1.environment_pb2 import EnvironmentInfo
from farfield_kernel.errors import FarfieldError
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.forms import SCHEMAS
from farfield_openenv.protocol import PATH

_HEALTH_SECONDS = 5.0


class Routes:
    def __init__(self, backend: Backend, info: EnvironmentInfo) -> None:
        self._backend, self._token = backend, backend.config.token
        self._fixed: dict[str, Any] = {
            "/metadata": {"name": info.name, "description": info.summary, "version": info.version},
            "/schema": SCHEMAS,
        }
        self._fixed["/openapi.json"] = _openapi(info, ["/health", *self._fixed])

    async def __call__(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the WebSocket open."""
        path = urlsplit(request.path).path
        if path == "/health":
            return await self._health(connection)
        if not self._admits(request):
            return _json(connection, HTTPStatus.UNAUTHORIZED, {"detail": "present the bearer token"})
        if path == PATH:
            return None
        if path in self._fixed:
            return _json(connection, HTTPStatus.OK, self._fixed[path])
        known = ", ".join([PATH, "/health", *self._fixed])
        return _json(connection, HTTPStatus.NOT_FOUND, {"detail": f"no route {path}; there are {known}"})

    async def _health(self, connection: ServerConnection) -> Response:
        """Healthy while both services answer."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                await self._backend.describe()
        except (FarfieldError, TimeoutError) as error:
            detail = {"status": "unhealthy", "detail": str(error)}
            return _json(connection, HTTPStatus.SERVICE_UNAVAILABLE, detail)
        return _json(connection, HTTPStatus.OK, {"status": "healthy"})

    def _admits(self, request: Request) -> bool:
        given = request.headers.get("Authorization", "")
        return not self._token or hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode())


def _openapi(info: EnvironmentInfo, paths: Sequence[str]) -> dict[str, Any]:
    """The routes beside `/ws`, which OpenAPI has no words for."""
    get = {"get": {"responses": {"200": {"description": "A JSON object."}}}}
    about = {"title": f"{info.name} behind OpenEnv's protocol", "version": info.version}
    return {"openapi": "3.1.0", "info": about, "paths": dict.fromkeys(paths, get)}


def _json(connection: ServerConnection, status: HTTPStatus, body: Any) -> Response:
    response = connection.respond(status, json.dumps(body))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response
