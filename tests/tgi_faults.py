"""Ways in which a text-generation-inference server fails, for tests: a middleware around our own one.

faults = Faults()
async with listening(engine, text, offer, middlewares=[faults.middleware]) as url:
    faults.then(overloaded, torn, delayed(1.0))  # what the next three generations meet
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

SPARED = {"/info", "/health", "/tokenize"}


class Faults:
    """Each generation takes the next fault; where none is left it is served."""

    def __init__(self) -> None:
        self._next: deque[Fault] = deque()
        self.met = 0

    def then(self, *faults: Fault) -> None:
        self._next.extend(faults)

    @property
    def middleware(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        @web.middleware
        async def failing(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in SPARED or not self._next:
                return await handler(request)
            self.met += 1
            return await self._next.popleft()(request, handler)

        return failing


def error(status: int, error_type: str, message: str) -> Fault:
    """An error as its status and body; in a stream as the only event of a 200."""
    body = {"error": message, "error_type": error_type}

    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/generate_stream":
            event = f"data: {json.dumps(body)}\n\n"
            return web.Response(body=event.encode(), headers={"Content-Type": "text/event-stream"})
        return web.json_response(body, status=status)

    return fail


overloaded = error(429, "overloaded", "Model is overloaded")
generation = error(424, "generation", "Request failed during generation: Server error: CANCELLED")
incomplete = error(500, "incomplete_generation", "Incomplete generation")
invalid = error(422, "validation", "Input validation error: `temperature` must be strictly positive")


async def unavailable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A proxy whose server is gone: 503, and no JSON."""
    return web.Response(status=503, text="no server is available to handle this request")


async def dropped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The connection closes before anything is answered."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def torn(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Half of the answer, then the connection closes."""
    whole = await handler(request)
    assert isinstance(whole, web.Response)
    body = whole.body
    assert isinstance(body, bytes)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def delayed(seconds: float) -> Fault:
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return wait
