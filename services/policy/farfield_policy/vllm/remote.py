"""A server's HTTP interface: JSON in and out, its errors as the kernel's, and retries where they may help.

400, 422            INVALID_ARGUMENT, with the server's own words
404                 NOT_FOUND: a name or a path that the server does not know
401, 403            FAILED_PRECONDITION: the token is wrong
429                 RESOURCE_EXHAUSTED, after retries
502, 503, 504       UNAVAILABLE, after retries
500, anything else  INTERNAL
no connection, a connection that broke   UNAVAILABLE, after retries
no answer in time   DEADLINE_EXCEEDED
"""

import asyncio
import itertools
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx2

from farfield_kernel.errors import (
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unavailable,
)

CONNECT_SECONDS = 10.0
LONGEST_PAUSE = 10.0
"""Before a late retry, unless the server asks for a longer one."""
COME_BACK_SECONDS = 1.0
"""What callers are told where the server says nothing."""


class Remote:
    """One server. `timeout_seconds` is for the whole of one answer; a retry has its own."""

    def __init__(
        self, url: str, token: str, timeout_seconds: float, connections: int, retries: int, first_pause: float
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS, pool=None)
        self._retries, self._first_pause = retries, first_pause
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,  # a proxy of the environment has no business between an engine and its server
        )

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout_seconds: float | None = None,
        again: bool = True,
    ) -> Any:
        """`again`: whether it may be sent twice."""
        return await self._ask("POST", path, body, timeout_seconds, again)

    async def answers(self, path: str) -> bool:
        """Whether the server knows a path, asked with a method that does nothing there."""
        return (await self._send("GET", path, None, None)).status_code == httpx2.codes.METHOD_NOT_ALLOWED

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
        again: bool = True,
    ) -> Any:
        for tries in itertools.count():
            try:
                return _read(await self._send(method, path, body, timeout_seconds), self.url + path)
            except (Unavailable, Exhausted) as error:
                if not again or tries >= self._retries:
                    error.retry_after = error.retry_after or COME_BACK_SECONDS
                    raise
                await asyncio.sleep(self._pause(tries, error))
        raise AssertionError("unreachable")

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float | None
    ) -> httpx2.Response:
        timeout = (
            httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS) if timeout_seconds else self._timeout
        )
        try:
            return await self._client.request(method, path, json=body, timeout=timeout)
        except httpx2.ConnectTimeout as error:
            raise Unavailable(f"{self.url} does not accept a connection") from error
        except httpx2.TimeoutException as error:
            raise DeadlineExceeded(f"{self.url}{path} did not answer in {timeout.read:g} seconds") from error
        except httpx2.TransportError as error:
            raise Unavailable(f"{self.url} cannot be reached: {error or type(error).__name__}") from error

    def _pause(self, tries: int, error: FarfieldError) -> float:
        asked = error.retry_after or 0
        longest = min(LONGEST_PAUSE, self._first_pause * 2**tries)
        return max(asked, longest * random.uniform(0.5, 1))


def _read(response: httpx2.Response, where: str) -> Any:
    """The answer's JSON, None where it is no JSON; raises what an error status stands for."""
    if response.is_success:
        return _json(response)
    words = f"{where} answered {response.status_code}: {_words(response)}"
    match response.status_code:
        case 404:
            raise NotFound(words)
        case 400 | 422:
            raise InvalidArgument(words)
        case 401 | 403:
            raise FailedPrecondition(f"{words}; set engine.token to the key that the server was started with")
        case 429:
            raise Exhausted(words, retry_after=_retry_after(response))
        case 502 | 503 | 504:
            raise Unavailable(words, retry_after=_retry_after(response))
    raise PluginFailure(words)


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _words(response: httpx2.Response) -> str:
    """What the server says is wrong, in any of the forms that servers use."""
    said = _json(response)
    if isinstance(said, dict):
        inner = said.get("error", said.get("detail", said))
        said = inner.get("message", inner) if isinstance(inner, dict) else inner
    text = said if isinstance(said, str) else json.dumps(said) if said else response.text
    return text[:500] or "nothing"


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds; the form with a date is left out."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdigit() else None
