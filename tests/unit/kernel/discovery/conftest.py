"""A stand-in for the API of a cluster: lists and watches of Services and EndpointSlices, with switches for
what may go wrong. It knows nothing of Kubernetes but these two requests."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from farfield_kernel.cluster.access import Access
from farfield_kernel.cluster.api import ClusterApi

Object = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"


def service(name: str, kind: str = "environment", *, lane: str = "", **spec: Any) -> Object:
    labels = {"farfield.dev/kind": kind, **({"farfield.dev/lane": lane} if lane else {})}
    metadata = {
        "name": name,
        "namespace": "ns",
        "labels": labels,
        "creationTimestamp": CREATED,
    }
    return {"metadata": metadata, "spec": {"ports": [{"name": "grpc", "port": 80}], **spec}}


def endpoints(of: str, *addresses: str, number: int = 0, **fields: Any) -> Object:
    """A slice; `HOST:PORT`, one port for all."""
    hosts = [address.rpartition(":")[0] for address in addresses]
    ports = [{"name": "grpc", "port": int(addresses[0].rpartition(":")[2])}] if addresses else []
    ready = {"ready": True}
    return {
        "metadata": {
            "name": f"{of}-{number}",
            "namespace": "ns",
            "labels": {"kubernetes.io/service-name": of},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [
            {"addresses": [host], "conditions": ready, "targetRef": {"kind": "Pod", "name": f"pod-{host}"}}
            for host in hosts
        ],
        **fields,
    }


class StandIn:
    """`objects` by resource and name. `refuses`: the status that every request is answered with."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {"services": {}, "endpointslices": {}}
        self.refuses = 0
        self.forgets = False
        """What a watch is to go on from is gone."""
        self.calls: Counter = Counter()
        self.seen: list[dict[str, str]] = []
        self._versions = itertools.count(1)
        self._version = "0"
        self._asked = asyncio.Event()
        self._watches: list[tuple[str, asyncio.Queue]] = []

    def put(self, resource: str, one: Object) -> None:
        name = one["metadata"]["name"]
        what = "MODIFIED" if name in self.objects[resource] else "ADDED"
        self._happened(resource, what, one)
        self.objects[resource][name] = one

    def remove(self, resource: str, name: str) -> None:
        self._happened(resource, "DELETED", self.objects[resource].pop(name))

    async def called(self, verb: str, resource: str, times: int) -> None:
        """Until it has been asked that often."""
        while self.calls[verb, resource] < times:
            self._asked.clear()
            await self._asked.wait()

    def close_watches(self) -> None:
        """As the API does after a while."""
        for _, events in self._watches:
            events.put_nowait(None)

    def _happened(self, resource: str, what: str, one: Object) -> None:
        self._version = one["metadata"]["resourceVersion"] = str(next(self._versions))
        for watched, events in self._watches:
            if watched == resource:
                events.put_nowait({"type": what, "object": one})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        resource = request.path.rpartition("/")[2]
        verb = "watch" if request.query.get("watch") else "list"
        self.calls[verb, resource] += 1
        self._asked.set()
        self.seen.append({**request.query, "authorization": request.headers.get("Authorization", "")})
        if self.refuses:
            said = {"kind": "Status", "code": self.refuses, "message": f'{resource} is forbidden: User "u"'}
            return web.json_response(said, status=self.refuses)
        if verb == "watch":
            return await self._watch(request, resource)
        items = list(self.objects[resource].values())
        return web.json_response({"metadata": {"resourceVersion": self._version}, "items": items})

    async def _watch(self, request: web.Request, resource: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if self.forgets:
            self.forgets = False
            gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
            await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            return response
        events: asyncio.Queue = asyncio.Queue()
        self._watches.append((resource, events))
        try:
            # What happened between the list and the watch.
            since = int(request.query["resourceVersion"])
            for one in self.objects[resource].values():
                if int(one["metadata"]["resourceVersion"]) > since:
                    events.put_nowait({"type": "ADDED", "object": one})
            while (event := await events.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watches.remove((resource, events))
        return response


@pytest.fixture
async def stand_in() -> AsyncIterator[tuple[StandIn, str]]:
    """The stand-in and its URL."""
    standing = StandIn()
    app = web.Application()
    app.router.add_get("/{path:.*}", standing.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield standing, f"http://127.0.0.1:{runner.addresses[0][1]}"
    standing.close_watches()
    await runner.cleanup()


@pytest.fixture
def api(stand_in: tuple[StandIn, str]) -> ClusterApi:
    """Whoever opens it closes it."""

    async def headers(renew: bool) -> dict[str, str]:
        return {"Authorization": "Bearer new" if renew else "Bearer old"}

    return ClusterApi(Access(stand_in[1], "ns", "stand-in", headers))


@pytest.fixture
def made():
    """`service` and `endpoints`."""
    return service, endpoints
