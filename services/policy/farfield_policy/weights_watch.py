"""Keeps the engine on the weights that its lane announced last."""

import asyncio
import contextlib
import logging

from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable
from farfield_kernel.queue.contract import Queue
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_kernel.weights import Weights
from farfield_policy import meters
from farfield_policy.engine import Engine, Swapped, Version

log = logging.getLogger(__name__)


async def load_verified(
    engine: Engine, cache: WeightCache, address: str, run_id: str = "", version: int = 0, digest: str = ""
) -> Swapped:
    """Loads a sealed folder, or a version of an object store, after checking its sums, and that it is the
    version that was asked for. Without a run id whatever is there is taken."""
    found = await asyncio.to_thread(cache.fetch, address)
    if run_id and (found.run_id, found.version) != (run_id, version):
        raise FailedPrecondition(
            f"{address} holds version {found.version} of run '{found.run_id}', not {version} of '{run_id}'"
        )
    if digest and found.digest != digest:
        raise FailedPrecondition(f"{address} was published again: its digest is {found.digest}, not {digest}")
    swapped = await engine.load_weights(found.path, Version(found.run_id, found.version, found.digest))
    show(swapped.weights)
    return swapped


def show(serving: Version) -> None:
    """In `/metrics`: one version at a time."""
    meters.version.clear()
    meters.version.labels(serving.run_id).set(serving.version)


class WeightsWatch:
    """Follows a lane. Weights that are torn or not there yet are tried again; meanwhile the old serve."""

    def __init__(
        self,
        engine: Engine,
        cache: WeightCache,
        queue: Queue,
        lane: str,
        watch_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._queue = queue
        self._lane = lane
        self._watch_seconds = watch_seconds
        self._retry_seconds = retry_seconds
        self._seen: Weights | None = None
        self._ended = asyncio.Event()

    async def catch_up(self) -> None:
        """Loads what the lane has announced by now, before the first call is answered. When that cannot be
        done the configured model serves, and `follow` goes on trying."""
        try:
            announced = await self._queue.weights(self._lane)
            if announced is not None:
                await self._load(announced)
        except FarfieldError as error:
            log.warning("cannot start from the announced weights: %s", error)

    def end(self) -> None:
        """What serves now serves to the end."""
        self._ended.set()

    async def follow(self) -> None:
        """For ever; new weights are loaded until `end`."""
        while not self._ended.is_set():
            announced = None
            try:
                announced = await self._queue.watch_weights(self._lane, self._seen, self._watch_seconds)
                if announced is not None and not self._ended.is_set():
                    await self._load(announced)
            except FarfieldError as error:
                if not self._ended.is_set():
                    log.warning("cannot follow the weights of lane %s: %s", self._lane, error)
                    await self._rest(announced, max(error.retry_after or 0, self._retry_seconds))
        await asyncio.Event().wait()

    async def _rest(self, tried: Weights | None, seconds: float) -> None:
        """Before another try. Other weights that are announced meanwhile are tried at once."""
        try:
            async with asyncio.timeout(seconds):
                if tried is not None:
                    with contextlib.suppress(FarfieldError):
                        await self._queue.watch_weights(self._lane, tried, seconds)
                        return
                await asyncio.Event().wait()
        except TimeoutError:
            return

    async def _load(self, announced: Weights) -> None:
        try:
            await load_verified(
                self._engine,
                self._cache,
                announced.path,
                announced.run_id,
                announced.version,
                announced.digest,
            )
        except Exception as error:
            meters.torn.inc()
            if isinstance(error, FarfieldError):
                raise
            log.exception("%s cannot be loaded", announced.path)
            raise Unavailable(
                f"{announced.path} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        self._seen = announced
