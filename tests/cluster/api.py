"""The API over HTTP: requests are translated into reads and writes of the store."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.cluster import defaults, patches, validation
from tests.cluster.authorization import Accounts
from tests.cluster.controllers import garbage
from tests.cluster.errors import Conflict, MethodNotAllowed, NotFound, Refused, UnsupportedMediaType
from tests.cluster.kubelet import Kubelet
from tests.cluster.portforward import forward
from tests.cluster.request import Target, body, content_type, flag, target
from tests.cluster.resources import BY_KIND, discovery
from tests.cluster.store import Object, Store
from tests.cluster.watching import selection, watch

OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
BACKGROUND, FOREGROUND, ORPHAN = "Background", "Foreground", "Orphan"


class Api:
    """One cluster's API."""

    def __init__(self, store: Store, kubelet: Kubelet, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._kubelet = kubelet
        self._documents = discovery()
        self._applied: dict[tuple[str, str], Object] = {}
        """What a manager has applied last, by uid and the manager's name."""

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[_refusals])
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path in self._documents:
            return web.json_response(self._documents[path])
        if path == "/openapi/v2":  # kubectl and Helm take an empty one, in this form alone
            return web.Response(body=b"", content_type=OPENAPI_V2)
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if not path.startswith(("/api/", "/apis/")):
            raise NotFound("the server could not find the requested resource")
        asked = target(path)
        self._accounts.check(request, self._store, asked)
        if asked.subresource in _SUBRESOURCES:
            return await _SUBRESOURCES[asked.subresource](self, request, asked)
        return await self._method(request, asked)(request, asked)

    def _method(self, request: web.Request, asked: Target) -> Callable[..., Awaitable[web.StreamResponse]]:
        collection = {"GET": self._list, "POST": self._create, "DELETE": self._delete_collection}
        single = {"GET": self._get, "PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}
        methods = single if asked.name else collection
        if request.method not in methods:
            raise MethodNotAllowed(f"the server does not allow {request.method} here")
        return methods[request.method]

    async def _list(self, request: web.Request, asked: Target) -> web.StreamResponse:
        if flag(request, "watch"):
            return await watch(request, self._store, asked)
        wanted = selection(request, asked)
        items = [one for one in self._store.all(asked.resource, asked.namespace) if wanted(one)]
        typed = {"apiVersion": asked.resource.api_version, "kind": asked.resource.list_kind}
        return web.json_response(
            {**typed, "metadata": {"resourceVersion": str(self._store.version)}, "items": items}
        )

    async def _get(self, request: web.Request, asked: Target) -> web.StreamResponse:
        if flag(request, "watch"):
            return await watch(request, self._store, asked)
        return web.json_response(self._store.get(asked.resource, asked.namespace, asked.name))

    async def _create(self, request: web.Request, asked: Target) -> web.StreamResponse:
        return web.json_response(self._created(request, asked, await body(request)), status=201)

    def _created(self, request: web.Request, asked: Target, one: Object) -> Object:
        meta = _address(asked, one)
        if asked.resource.namespaced:
            self._check_namespace(asked.namespace)
        if not meta.get("name") and not meta.get("generateName"):
            raise Refused("name or generateName is required")
        for name in ("resourceVersion", "uid", "creationTimestamp"):
            meta.pop(name, None)
        validation.check(asked.resource, one)
        defaults.fill(asked.resource, one)
        if asked.resource.kind == "Namespace":
            meta["finalizers"] = ["kubernetes"]
            meta["labels"] = {"kubernetes.io/metadata.name": meta["name"], **meta.get("labels", {})}
            one["status"] = {"phase": "Active"}
        elif "status" in asked.resource.subresources:
            one["status"] = {"phase": "Pending"} if asked.resource.kind == "Pod" else {}
        if not flag(request, "dryRun"):
            return self._store.create(asked.resource, one)
        if self._store.find(asked.resource, asked.namespace, meta.get("name", "")):
            return self._store.create(asked.resource, one)  # refused, as it would be
        return one

    def _check_namespace(self, namespace: str) -> None:
        found = self._store.find(BY_KIND["Namespace"], "", namespace)
        if found is None:
            raise NotFound(f'namespaces "{namespace}" not found')
        if "deletionTimestamp" in found["metadata"]:
            raise Refused(f"namespace {namespace} is being terminated")

    async def _replace(self, request: web.Request, asked: Target) -> web.StreamResponse:
        given = await body(request)
        if _address(asked, given).get("name") != asked.name:
            raise Refused("the name of the object does not match the name of the request")
        before = self._store.get(asked.resource, asked.namespace, asked.name)
        return web.json_response(self._written(request, asked, before, given))

    async def _patch(self, request: web.Request, asked: Target) -> web.StreamResponse:
        patch, kind = await body(request), content_type(request)
        if kind == "application/apply-patch+yaml":
            return self._apply(request, asked, patch)
        before = self._store.get(asked.resource, asked.namespace, asked.name)
        if kind not in _PATCHES:
            raise UnsupportedMediaType(f"the simulator knows no patch of type {kind}")
        after = _PATCHES[kind](copy.deepcopy(before), patch)
        return web.json_response(self._written(request, asked, before, after))

    def _apply(self, request: web.Request, asked: Target, given: Object) -> web.Response:
        manager = request.query.get("fieldManager", "")
        before = self._store.find(asked.resource, asked.namespace, asked.name)
        earlier = self._applied.get((before["metadata"]["uid"], manager)) if before else None
        merged = patches.apply(before, given, earlier)
        if before:
            after = self._written(request, asked, before, merged)
        else:
            after = self._created(request, asked, merged)
        if not flag(request, "dryRun"):
            self._applied[after["metadata"]["uid"], manager] = given
        return web.json_response(after, status=200 if before else 201)

    def _written(self, request: web.Request, asked: Target, before: Object, after: Object) -> Object:
        """Of the status alone where that is asked for, else of all but the status."""
        parted = "status" in asked.resource.subresources
        if asked.subresource == "status":
            after = {**before, "status": after.get("status", {})}
        else:
            after = {**after, "status": before.get("status", {})} if parted else after
            validation.check(asked.resource, after)
            defaults.fill(asked.resource, after)
            _keep_what_was_given(asked, before, after)
            validation.check_update(asked.resource, before, after)
        if flag(request, "dryRun"):
            return after
        return self._store.update(asked.resource, after)

    async def _delete(self, request: web.Request, asked: Target) -> web.StreamResponse:
        given = await body(request)
        one = self._store.get(asked.resource, asked.namespace, asked.name)
        wanted = (given.get("preconditions") or {}).get("uid")
        if wanted and wanted != one["metadata"]["uid"]:
            raise _conflict(asked)
        if flag(request, "dryRun") or "All" in (given.get("dryRun") or []):
            return web.json_response(one)
        return web.json_response(self._deleted(request, asked, one, given))

    def _deleted(self, request: web.Request, asked: Target, one: Object, given: Object) -> Object:
        policy = given.get("propagationPolicy") or request.query.get("propagationPolicy") or BACKGROUND
        if policy == FOREGROUND:
            one["metadata"]["finalizers"] = [*one["metadata"].get("finalizers", []), garbage.FOREGROUND]
            self._store.update(asked.resource, one)
        if policy == ORPHAN:
            self._orphan(one)
        grace = given.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        namespace, name = one["metadata"].get("namespace", ""), one["metadata"]["name"]
        left = self._store.delete(asked.resource, namespace, name, None if grace is None else int(grace))
        if "deletionTimestamp" in left["metadata"]:
            return left
        details = {"name": name, "kind": asked.resource.plural, "uid": one["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _orphan(self, owner: Object) -> None:
        for resource, one in self._store.everything():
            references = one["metadata"].get("ownerReferences", [])
            kept = [ref for ref in references if ref["uid"] != owner["metadata"]["uid"]]
            if kept != references:
                one["metadata"]["ownerReferences"] = kept
                self._store.update(resource, one)

    async def _delete_collection(self, request: web.Request, asked: Target) -> web.StreamResponse:
        given, wanted = await body(request), selection(request, asked)
        found = [one for one in self._store.all(asked.resource, asked.namespace) if wanted(one)]
        for one in found:
            self._deleted(request, asked, one, given)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def _status(self, request: web.Request, asked: Target) -> web.StreamResponse:
        return await self._method(request, asked)(request, asked)

    async def _scale(self, request: web.Request, asked: Target) -> web.StreamResponse:
        one = self._store.get(asked.resource, asked.namespace, asked.name)
        if request.method != "GET":
            given = await body(request)
            scale = given if request.method == "PUT" else patches.merge_patch(_scale_of(one), given)
            one["spec"]["replicas"] = scale["spec"].get("replicas", 0)
            if not flag(request, "dryRun"):
                one = self._store.update(asked.resource, one)
        return web.json_response(_scale_of(one))

    async def _logs(self, request: web.Request, asked: Target) -> web.StreamResponse:
        pod = self._store.get(asked.resource, asked.namespace, asked.name)
        container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        tail = request.query.get("tailLines")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        written = await self._kubelet.logs(pod, container, int(tail) if tail else None)
        await response.write(written)
        while flag(request, "follow") and self._store.find(asked.resource, asked.namespace, asked.name):
            await asyncio.sleep(0.2)
            everything = await self._kubelet.logs(pod, container, None)
            already = len(written) if tail is None else len(everything)
            await response.write(everything[already:])
            written, tail = everything, None
        return response

    async def _portforward(self, request: web.Request, asked: Target) -> web.StreamResponse:
        pod = self._store.get(asked.resource, asked.namespace, asked.name)
        return await forward(request, lambda port: self._kubelet.address(pod, port))

    async def _evict(self, request: web.Request, asked: Target) -> web.StreamResponse:
        await body(request)
        self._store.delete(asked.resource, asked.namespace, asked.name)
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, status=201
        )


_SUBRESOURCES: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "status": Api._status,
    "finalize": Api._status,
    "scale": Api._scale,
    "log": Api._logs,
    "portforward": Api._portforward,
    "eviction": Api._evict,
}

_PATCHES: dict[str, Callable[[Object, Any], Object]] = {
    "application/json-patch+json": patches.json_patch,
    "application/merge-patch+json": patches.merge_patch,
    "application/strategic-merge-patch+json": patches.strategic_merge,
}


def _address(asked: Target, one: Object) -> Object:
    """The object's metadata, after what the path says and the body may leave out is written into it."""
    one |= {"apiVersion": asked.resource.api_version, "kind": asked.resource.kind}
    meta = one.setdefault("metadata", {})
    if asked.resource.namespaced and meta.setdefault("namespace", asked.namespace) != asked.namespace:
        raise Refused("the namespace of the object does not match the namespace of the request")
    return meta


def _keep_what_was_given(asked: Target, before: Object, after: Object) -> None:
    """By the cluster, and is not in what clients write."""
    names = {
        "Service": ["clusterIP", "clusterIPs"],
        "PersistentVolumeClaim": ["volumeName"],
        "Pod": ["nodeName"],
    }
    for name in names.get(asked.resource.kind, []):
        if name in before["spec"]:
            after["spec"].setdefault(name, before["spec"][name])


def _conflict(asked: Target) -> Refused:
    return Conflict(f'{asked.resource.plural} "{asked.name}": the uid is another')


def _scale_of(one: Object) -> Object:
    meta = {name: one["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    selector = ",".join(
        f"{key}={value}" for key, value in one["spec"]["selector"].get("matchLabels", {}).items()
    )
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": one["spec"]["replicas"]},
        "status": {"replicas": one.get("status", {}).get("replicas", 0), "selector": selector},
    }


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return web.json_response(refused.status(), status=refused.code)
