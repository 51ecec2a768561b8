"""Watches: what is there, if asked for, then every change of it, as lines of JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from tests.cluster.errors import Expired
from tests.cluster.request import Target, flag
from tests.cluster.selectors import fielded, labelled
from tests.cluster.store import Change, Object, Store

Event = dict[str, Any]
Test = Callable[[Object], bool]


def selection(request: web.Request, target: Target) -> Test:
    """Whether an object is among those that a list or a watch asks for."""
    labels, fields = (
        labelled(request.query.get("labelSelector", "")),
        fielded(request.query.get("fieldSelector", "")),
    )

    def test(one: Object) -> bool:
        meta = one["metadata"]
        inside = target.namespace in ("", meta.get("namespace")) and target.name in ("", meta["name"])
        return inside and labels(meta.get("labels", {})) and fields(one)

    return test


async def watch(request: web.Request, store: Store, target: Target) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    seconds = float(request.query.get("timeoutSeconds") or 3600)
    try:
        async with asyncio.timeout(seconds):
            async for event in _events(request, store, target):
                await response.write(json.dumps(event).encode() + b"\n")
    except (TimeoutError, ConnectionError):
        pass  # the client asks again
    return response


async def _events(request: web.Request, store: Store, target: Target) -> AsyncIterator[Event]:
    wanted = selection(request, target)
    version = request.query.get("resourceVersion", "")
    initial = flag(request, "sendInitialEvents") or version in ("", "0")
    with store.following() as changes:
        if initial:
            for one in filter(wanted, store.all(target.resource)):
                yield {"type": "ADDED", "object": one}
            if flag(request, "sendInitialEvents") and flag(request, "allowWatchBookmarks"):
                yield _bookmark(store, target)
        else:
            try:
                missed = [
                    event for change in store.since(int(version)) for event in _seen(change, target, wanted)
                ]
            except Expired as error:
                yield {"type": "ERROR", "object": error.status()}
                return
            for event in missed:
                yield event
        while True:
            for event in _seen(await changes.get(), target, wanted):
                yield event


def _bookmark(store: Store, target: Target) -> Event:
    """The end of what was there."""
    meta = {"resourceVersion": str(store.version), "annotations": {"k8s.io/initial-events-end": "true"}}
    typed = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    return {"type": "BOOKMARK", "object": {**typed, "metadata": meta}}


def _seen(change: Change, target: Target, wanted: Test) -> list[Event]:
    """A change as it looks through a selection: an object comes into it, stays in it or leaves it."""
    if change.resource != target.resource:
        return []
    before = change.before is not None and wanted(change.before)
    after = change.after is not None and wanted(change.after)
    if after:
        return [{"type": "MODIFIED" if before else "ADDED", "object": change.after}]
    if before:
        last = change.after or change.before
        return [{"type": "DELETED", "object": last}]
    return []
