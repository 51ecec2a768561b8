"""A connection to Redis that outlives outages: commands are sent again with backoff, under a patience."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from farfield_kernel.errors import Exhausted, FarfieldError, NotFound, Unauthenticated, Unavailable

T = TypeVar("T")

_CONNECTIONS = 32
_SOCKET_SECONDS = 15.0
"""Longer than any blocking read, so that only a silent server runs into it."""
_PASSING = ("MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "LOADING")
"""Answers of a server that will take the command later: disk full, fail-over, start."""
GONE = ("NOGROUP", "UNBLOCKED")
"""Answers about a stream that is not there, and (before Redis 7.2) to who waits while it is removed."""


class Link:
    def __init__(self, url: str, patience_seconds: float) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=None,
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),  # a command is repeated here, where its caller may know more
            protocol=2,
            driver_info=None,  # telling the server who we are takes a right that our users do not have
        )
        self.redis: Any = Redis.from_pool(pool)  # its annotations cover every protocol at once
        self.patience_seconds = patience_seconds
        options = pool.connection_kwargs
        self.address = str(options.get("path") or f"{options.get('host')}:{options.get('port', 6379)}")

    async def run(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's answer. It may be sent several times, so it must be safe to repeat."""
        deadline = time.monotonic() + self.patience_seconds
        for tries in count():
            try:
                return await _cancellable(command)
            except (exceptions.RedisError, OSError) as error:
                if not _passes(error):
                    raise self._translated(error) from error
                delay = random.uniform(0.5, 1) * min(2.0, 0.05 * 2**tries)
                if time.monotonic() + delay > deadline:
                    raise self._translated(error) from error
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    def _translated(self, error: Exception) -> Exception:
        said = str(error) or type(error).__name__
        if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
            return Unauthenticated(f"Redis at {self.address} refuses this user: {said}; check the queue url")
        if isinstance(error, exceptions.OutOfMemoryError):
            return Exhausted(f"Redis at {self.address} is out of memory: {said}; raise maxmemory")
        if _passes(error):
            return Unavailable(f"Redis at {self.address} cannot be reached: {said}; is it running?")
        if said.startswith(GONE):
            return NotFound(said)
        return FarfieldError(f"Redis at {self.address} refused a command: {said}")

    async def close(self) -> None:
        await self.redis.aclose()


async def _cancellable(command: Callable[[], Awaitable[T]]) -> T:
    """On Python 3.11 redis-py, which sends inside `asyncio.wait_for`, swallows a cancellation that meets the
    end of sending: it is raised here, or a task that collects for ever could not be cancelled."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await command()
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def _passes(error: Exception) -> bool:
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return True
    return isinstance(error, exceptions.ReadOnlyError) or str(error).startswith(_PASSING)


def script(link: Link, text: str) -> Callable[[list[str], list[Any]], Awaitable[Any]]:
    """The Lua script as a coroutine of (keys, arguments). A server that forgot it is told it again."""
    registered = link.redis.register_script(text)
    return lambda keys, arguments: link.run(lambda: registered(keys=keys, args=arguments))
