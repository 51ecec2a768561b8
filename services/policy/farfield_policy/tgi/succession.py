"""From the server of one version to that of the next."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable
from farfield_policy import meters
from farfield_policy.engine import SHUTTING_DOWN, Requirement, Swapped, Version
from farfield_policy.gate import Gate
from farfield_policy.tgi.hosting import Hosting
from farfield_policy.tgi.server import Server

log = logging.getLogger(__name__)

_FIRST_REST, _LAST_REST = 60.0, 1800.0
"""Seconds before weights that did not come up are tried again: each try takes the old server down."""

T = TypeVar("T")
Open = Callable[[str, Version], Awaitable[Server]]
"""The server at a URL, of a version."""


class Succession:
    """Weights are offered as they are announced and taken up when they are due: enough versions ahead, of
    another run, or required by a prompt that waits."""

    def __init__(self, hosting: Hosting, gate: Gate[Server], open_server: Open) -> None:
        self._hosting, self._gate, self._open_server = hosting, gate, open_server
        self._lock = asyncio.Lock()
        self._offer: tuple[str, Version] | None = None
        self._failed: Version | None = None
        self._rest, self._rested_at = _FIRST_REST, 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: asyncio.Task[None] | None = None
        gate.wanted = self._want

    async def offer(self, path: str, weights: Version) -> Swapped:
        """What serves afterwards: the offered weights, or those before where they are not due. A change that
        has begun is finished, whether the caller still waits for it or not."""
        task = self._beside(self._consider(path, weights))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unavailable(SHUTTING_DOWN) from None
            raise

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._lock:
            await self._gate.server.close()
            await self._hosting.close()

    def _is_due(self, weights: Version) -> bool:
        serving = self._gate.server.version
        if weights == serving:
            return False
        ahead = weights.version - serving.version
        gap = weights.run_id != serving.run_id or not 0 < ahead < self._hosting.every
        return gap or self._gate.is_wanted(weights)

    def _want(self, require: Requirement) -> None:
        if self._offer and require.met_by(self._offer[1]) and not self._lock.locked():
            self._beside(self._take_up())

    async def _consider(self, path: str, weights: Version) -> Swapped:
        async with self._lock:
            self._gate.check_open()
            self._offer = (path, weights)
            if not self._is_due(weights):
                return Swapped(self._gate.server.version, 0.0, 0.0)
            return await self._take(path, weights)

    async def _take_up(self) -> None:
        async with self._lock:
            if self._offer is None or not self._is_due(self._offer[1]):
                return
            try:
                await self._take(*self._offer)
            except FarfieldError as error:
                log.warning("the offered weights cannot be served: %s", error)

    async def _take(self, path: str, weights: Version) -> Swapped:
        self._check_rested(weights)
        started = time.perf_counter()
        try:
            stall = await self._switch(path, weights)
        except FarfieldError:
            self._fail(weights)
            raise
        self._failed = None
        seconds = time.perf_counter() - started
        meters.load_seconds.observe(seconds)
        meters.swap_seconds.observe(stall)
        meters.version.clear()
        meters.version.labels(weights.run_id).set(weights.version)
        log.info("serving %s from %s", weights, path)
        return Swapped(weights, seconds, stall)

    async def _switch(self, path: str, weights: Version) -> float:
        """Seconds for which nobody was let in."""
        old = self._gate.server
        if not self._hosting.in_place:
            if self._leaving is not None:  # one roll-out after the other: never more than two servers
                await asyncio.wait({self._leaving})
            await self._gate.replace(await self._successor(path, weights))
            self._leaving = self._beside(self._let_go(old))
            return 0.0
        async with self._gate.shut() as took:
            await self._gate.idle(old)
            await self._gate.replace(await self._successor(path, weights))
        await self._let_go(old)
        return took[0]

    async def _successor(self, path: str, weights: Version) -> Server:
        return await self._open_server(await self._hosting.serve(path, weights), weights)

    async def _let_go(self, old: Server) -> None:
        await self._gate.idle(old)
        await old.close()
        await self._hosting.retire(old.url)

    def _beside(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.debug("beside: %s", task.exception())  # the caller has been told, if there still is one

    # Weights that did not come up

    def _fail(self, weights: Version) -> None:
        self._rest = min(_LAST_REST, 2 * self._rest) if weights == self._failed else _FIRST_REST
        self._failed, self._rested_at = weights, time.monotonic() + self._rest

    def _check_rested(self, weights: Version) -> None:
        left = self._rested_at - time.monotonic()
        if weights == self._failed and left > 0:
            raise FailedPrecondition(
                f"no server came up on {weights}; it is tried again in {left:.0f} s, and "
                f"{self._gate.server.version} serves meanwhile",
                retry_after=left,
            )
