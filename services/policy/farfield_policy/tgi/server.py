"""One server: its /generate, made again while it is overloaded or away."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import AsyncInferenceClient

from farfield_kernel.errors import Exhausted, FailedPrecondition, FarfieldError, Unavailable
from farfield_model.chat import Chat
from farfield_policy.engine import Completion, Version
from farfield_policy.tgi.answers import completion_of
from farfield_policy.tgi.failures import translated
from farfield_policy.tgi.info import NO_TOKEN, Info, info_of
from farfield_policy.tgi.requests import Request

FIRST_DELAY, LAST_DELAY = 0.25, 8.0
"""Seconds before a request is made again."""
_CONNECTIONS = 64
"""Of one client: it holds at most 100, and its own queue for them counts as the server's time."""


@dataclass(frozen=True, slots=True)
class Access:
    """How servers are called."""

    token: str = field(default="", repr=False)
    timeout_seconds: float = 300
    retries: int = 4
    at_once: int = 64
    """Most requests that run together."""


class Server:
    """The server at `url`, of one version of the weights for as long as this object is used."""

    def __init__(self, url: str, info: Info, version: Version, access: Access, chat: Chat) -> None:
        self.url, self.info, self.version = url, info, version
        self.running = 0
        self._access, self._chat = access, chat
        self._clients = [self._client() for _ in range(-(-access.at_once // _CONNECTIONS))]
        self._next = itertools.cycle(self._clients)
        self._prompts_seen = False

    def _client(self) -> AsyncInferenceClient:
        access = self._access
        return AsyncInferenceClient(
            provider="hf-inference", token=access.token or NO_TOKEN, timeout=access.timeout_seconds
        )

    async def generate(self, request: Request) -> Completion:
        """The response. What the server cannot do now is tried again; the delay grows, with a random part so
        that requests which were refused together do not come back together."""
        for attempt in itertools.count():
            try:
                return await self._generate(request)
            except (Exhausted, Unavailable) as error:
                if attempt >= self._access.retries:
                    raise
                bound = min(LAST_DELAY, FIRST_DELAY * 2**attempt)
                await asyncio.sleep(bound * random.uniform(0.5, 1))
                if isinstance(error, Unavailable):
                    await self._check_model(error)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    async def _generate(self, request: Request) -> Completion:
        # The server says how it reads a prompt once, for that costs it its prefix cache; and always where it
        # reads images, which it alone knows the length of.
        details = request.images > 0 or not self._prompts_seen
        with translated(f"{self.url}/generate"):
            answer: Any = await next(self._next).text_generation(
                request.text, model=f"{self.url}/generate", stream=False, **request.parameters(details)
            )
        completion = completion_of(answer, request, self._chat, self.version)
        self._prompts_seen = self._prompts_seen or bool(answer.details.prefill)
        return completion

    async def _check_model(self, error: FarfieldError) -> None:
        """A server that was away may have come back as another: its answers do not say what it serves."""
        try:
            found = await info_of(self.url, self._access.token)
        except FarfieldError:
            return  # still away: the next attempt says so
        if found.model != self.info.model:
            raise FailedPrecondition(
                f"{self.url} served '{self.info.model}' and now serves '{found.model}'; "
                "restart this service if that is meant"
            ) from error
