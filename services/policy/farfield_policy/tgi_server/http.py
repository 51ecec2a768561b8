"""HTTP as text-generation-inference speaks it: bodies in, events out, errors either way."""

import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ValidationError

from farfield_policy.tgi_server import meters
from farfield_policy.tgi_server.errors import TgiError, tgi_error

log = logging.getLogger(__name__)

B = TypeVar("B", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OPEN = {"/info", "/health"}
"""Routes that ask for no token."""


async def body_of(request: web.Request, model: type[B]) -> B:
    """The body as `model`. What cannot be read is refused in plain text: 415, 413, 400 or 422."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="expected a request with `Content-Type: application/json`")
    raw = await request.read()
    try:
        data = json.loads(raw)
        if b"\\ud" in raw.lower():  # half of a pair of escapes is no character
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"the request body is not JSON: {error}") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        text = "the JSON body does not have the expected form: " + "; ".join(lines)
        raise web.HTTPUnprocessableEntity(text=text) from None


async def stream(request: web.Request, events: AsyncIterator[Any], end: str = "") -> web.StreamResponse:
    """Server-sent events. An error is the last of them, for the status has gone out by then."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    try:
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                await response.write(_event(json.dumps(event, ensure_ascii=False)))
        if end:
            await response.write(_event(end))
    except ConnectionError:  # nobody is left to be told
        raise
    except Exception as error:
        await response.write(_event(json.dumps(_told(error).body)))
    await response.write_eof()
    return response


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts a request, and turns what a handler raises into its answer."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    status = 499  # of a client that went away
    with meters.seconds.labels(route).time():
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        except ConnectionError:
            raise
        except Exception as error:
            told = _told(error)
            status = told.status
            response = web.json_response(told.body, status=told.status)
        finally:
            meters.requests.labels(route, str(status)).inc()
    return response


def entitled(token: str) -> Middleware:
    """Refuses whoever does not present the token, where there is one."""
    wanted = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if token and request.path not in _OPEN and not hmac.compare_digest(given, wanted):
            raise TgiError(401, "unauthenticated", "a bearer token is required")
        return await handler(request)

    return check


def _told(error: Exception) -> TgiError:
    told = tgi_error(error)
    if told.status == 500:
        log.error("a request failed", exc_info=error)
    meters.errors.labels(told.error_type).inc()
    return told
