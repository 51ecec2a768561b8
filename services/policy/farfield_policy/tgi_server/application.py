"""The routes."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from farfield_kernel.errors import Unavailable
from farfield_policy.engine import Engine
from farfield_policy.tgi_server import answers, meters
from farfield_policy.tgi_server.chat import Chatting
from farfield_policy.tgi_server.errors import TgiError, invalid, overloaded
from farfield_policy.tgi_server.generation import Generation
from farfield_policy.tgi_server.http import answered, body_of, entitled, stream
from farfield_policy.tgi_server.requests import Chat, Compatible, Generate
from farfield_policy.tgi_server.text import Text
from farfield_policy.tgi_server.validation import Limits

VERSION = "3.3.7"
"""Of text-generation-inference, whose protocol is spoken."""
ROUTER = "farfield-policy"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server says of itself, and what it lets in."""

    model_id: str
    limits: Limits
    max_concurrent_requests: int = 128
    max_body_bytes: int = 2_000_000
    token: str = ""


class Routes:
    """Handlers over one engine."""

    def __init__(self, engine: Engine, text: Text, offer: Offer) -> None:
        self._engine = engine
        self._text = text
        self._offer = offer
        self._running = 0
        self.draining = False
        """Refuses what comes from now on."""
        self.generation = Generation(engine, text, offer.limits)
        self._chatting = Chatting(self.generation, text, offer.model_id, f"{VERSION}-{ROUTER}")

    def table(self) -> list[web.RouteDef]:
        return [
            web.post("/", self.compatible),
            web.post("/generate", self.generate),
            web.post("/generate_stream", self.generate_stream),
            web.post("/v1/chat/completions", self.chat),
            web.post("/tokenize", self.tokenize),
            web.get("/info", self.info),
            web.get("/v1/models", self.models),
            web.get("/health", self.health),
        ]

    async def generate(self, request: web.Request) -> web.StreamResponse:
        return await self._whole(await body_of(request, Generate))

    async def generate_stream(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self._events(await body_of(request, Generate)))

    async def compatible(self, request: web.Request) -> web.StreamResponse:
        """The root: streams or answers in a list of one."""
        asked = await body_of(request, Compatible)
        if asked.stream:
            return await stream(request, self._events(asked))
        return await self._whole(asked, listed=True)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        chat = await body_of(request, Chat)
        if chat.stream:
            return await stream(request, self._chat_events(chat), end="[DONE]")
        with self._admitted():
            asked = await self._chatting.ask(chat)
            [completion] = await self.generation.whole(asked)
        return web.json_response(self._chatting.answer(chat, asked, completion))

    async def tokenize(self, request: web.Request) -> web.StreamResponse:
        asked = await body_of(request, Generate)
        if not asked.inputs:
            raise invalid("`inputs` cannot be empty")
        return web.json_response(self._text.spans(asked.inputs))

    async def info(self, request: web.Request) -> web.StreamResponse:
        limits, about = self._offer.limits, self._engine.describe()
        return web.json_response(
            {
                "model_id": self._offer.model_id,
                "model_sha": about.weights.digest or None,
                "model_pipeline_tag": "image-text-to-text" if self._text.sees else "text-generation",
                "max_concurrent_requests": self._offer.max_concurrent_requests,
                "max_best_of": limits.max_best_of,
                "max_stop_sequences": limits.max_stop_sequences,
                "max_input_tokens": limits.max_input_tokens,
                "max_total_tokens": limits.max_total_tokens,
                "validation_workers": 1,
                "max_client_batch_size": 1,
                "router": ROUTER,
                "version": VERSION,
                "sha": None,
                "docker_label": None,
            }
        )

    async def models(self, request: web.Request) -> web.StreamResponse:
        model = {
            "id": self._offer.model_id,
            "object": "model",
            "created": 0,
            "owned_by": self._offer.model_id,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def health(self, request: web.Request) -> web.StreamResponse:
        if self.draining:
            raise TgiError(503, "healthcheck", "unhealthy")
        return web.Response()

    async def _whole(self, request: Generate, listed: bool = False) -> web.StreamResponse:
        started = time.perf_counter()
        with self._admitted():
            asked = await self.generation.ask(request)
            completions = await self.generation.whole(asked)
            wanted = asked.parameters.decoder_input_details
            prefill = await self.generation.prefill(asked) if wanted else None
        answer = answers.generated(self._text, asked, completions, prefill)
        headers = {
            "x-compute-characters": str(len(asked.inputs.text)),
            "x-prompt-tokens": str(len(asked.inputs.ids)),
            "x-generated-tokens": str(sum(len(one.response_ids) for one in completions)),
            "x-total-time": str(round(1000 * (time.perf_counter() - started))),
        }
        return web.json_response([answer] if listed else answer, headers=headers)

    async def _events(self, request: Generate) -> AsyncIterator[Any]:
        with self._admitted():
            asked = await self.generation.ask(request, streams=True)
            pieces, index = self._text.pieces(asked.inputs.ids), 0
            async for drawn in self.generation.tokens(asked):
                index += 1
                yield answers.streamed(self._text, asked, drawn, index, pieces.add(drawn.id))

    async def _chat_events(self, chat: Chat) -> AsyncIterator[Any]:
        with self._admitted():
            asked = await self._chatting.ask(chat)
            async for event in self._chatting.events(chat, asked, self.generation.tokens(asked)):
                yield event

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self.draining:
            raise Unavailable("the server is shutting down")
        if self._running >= self._offer.max_concurrent_requests:
            raise overloaded()
        self._running += 1
        meters.running.set(self._running)
        try:
            yield
        finally:
            self._running -= 1
            meters.running.set(self._running)


def application(routes: Routes, offer: Offer, middlewares: Sequence[Middleware] = ()) -> web.Application:
    """`middlewares` run around the handlers, inside of what counts and checks."""
    app = web.Application(
        client_max_size=offer.max_body_bytes, middlewares=[answered, entitled(offer.token), *middlewares]
    )
    app.add_routes(routes.table())
    return app
