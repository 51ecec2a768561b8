"""A copy of a kind of objects that follows the API: one list, then what changes."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress

from farfield_kernel import metrics
from farfield_kernel.cluster.api import ClusterApi, Gone, Object, Resource
from farfield_kernel.errors import FarfieldError, Unavailable

log = logging.getLogger(__name__)

_lists = metrics.counter(
    "discovery_lists_total", "Listings of the Kubernetes API, by why it was asked.", ("resource", "reason")
)
_FIRST_DELAY, _LAST_DELAY = 0.5, 30.0


class Mirror:
    """`objects` by name. While the API is away they stay as they were last seen."""

    def __init__(
        self,
        api: ClusterApi,
        resource: Resource,
        namespace: str,
        selector: str = "",
        *,
        when_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.objects: dict[str, Object] = {}
        self._api, self._resource = api, resource
        self._namespace, self._selector = namespace, selector
        self._when_changed = when_changed
        self._version = ""
        self._looks: list[asyncio.Future[None]] = []
        self._asked = asyncio.Event()

    async def look(self) -> None:
        """Until a list that began after this call has been read; raises why it could not be."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looks.append(future)
        self._asked.set()
        await future

    async def follow(self) -> None:
        """For ever. A watch that the API closes goes on from where it was; one that breaks, or is too old, is
        begun anew with a list."""
        delay, reason = _FIRST_DELAY, "start"
        while True:
            try:
                await self._list(reason)
                delay = _FIRST_DELAY
                reason = await self._until_asked()
            except Gone:
                reason = "gone"
            except Exception as error:  # whatever it is, what is known stays, and the API is asked again
                reason = "lost"
                self._answer_looks(error)
                known = isinstance(error, FarfieldError)
                log.warning("%s: %s", self._resource.plural, error, exc_info=not known)
                await self._pause(delay)
                delay = min(_LAST_DELAY, 2 * delay)

    async def _pause(self, delay: float) -> None:
        """Somebody who asks need not wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay * random.uniform(0.5, 1)):
                await self._asked.wait()

    async def _list(self, reason: str) -> None:
        self._asked.clear()
        looks, self._looks = self._looks, []
        _lists.labels(self._resource.plural, reason).inc()
        try:
            items, self._version = await self._api.items(self._resource, self._namespace, self._selector)
        except BaseException:
            self._looks = looks + self._looks
            raise
        found = {item["metadata"]["name"]: item for item in items}
        if found != self.objects:
            self.objects = found
            self._when_changed()
        for future in looks:
            if not future.done():
                future.set_result(None)

    async def _until_asked(self) -> str:
        """Watches until a new list is asked for."""
        watching = asyncio.ensure_future(self._watch_on())
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return "asked"
        finally:
            for task in (watching, asked):
                task.cancel()
            await asyncio.gather(watching, asked, return_exceptions=True)

    async def _watch_on(self) -> None:
        while True:
            events = self._api.events(self._resource, self._namespace, self._version, self._selector)
            async for what, one in events:
                self._apply(what, one)

    def _apply(self, what: str, one: Object) -> None:
        self._version = one["metadata"]["resourceVersion"]
        name = one["metadata"].get("name", "")
        if what == "DELETED":
            self.objects.pop(name, None)
        elif what in ("ADDED", "MODIFIED"):
            self.objects[name] = one
        else:
            return
        self._when_changed()

    def _answer_looks(self, error: Exception) -> None:
        known = error if isinstance(error, FarfieldError) else Unavailable(str(error))
        looks, self._looks = self._looks, []
        for future in looks:
            if not future.done():
                future.set_exception(known)
