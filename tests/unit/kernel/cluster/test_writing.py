"""Objects that are made and deleted, against a namespace in memory that speaks the API's HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from farfield_kernel.cluster.access import Access
from farfield_kernel.cluster.api import DEPLOYMENTS, ClusterApi
from farfield_kernel.errors import AlreadyExists, Conflict, Exhausted, PermissionDenied

Object = dict[str, Any]
PATH = "/apis/apps/v1/namespaces/ns/deployments"
ONE: Object = {"metadata": {"name": "one"}, "spec": {"replicas": 1}}


class Namespace:
    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.deletes: list[dict[str, str]] = []
        self.refusal: tuple[int, Object] | None = None

    async def create(self, request: web.Request) -> web.Response:
        if self.refusal is not None:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        one = await request.json()
        name = one["metadata"]["name"]
        if name in self.objects:
            said = {"reason": "AlreadyExists", "message": f'deployments.apps "{name}" already exists'}
            return web.json_response(said, status=409)
        self.objects[name] = one
        return web.json_response(one, status=201)

    async def find(self, request: web.Request) -> web.Response:
        one = self.objects.get(request.match_info["name"])
        return web.json_response(one or {"reason": "NotFound"}, status=200 if one else 404)

    async def delete(self, request: web.Request) -> web.Response:
        self.deletes.append(dict(request.query))
        one = self.objects.pop(request.match_info["name"], None)
        return web.json_response({}, status=200 if one else 404)


@pytest.fixture
def namespace() -> Namespace:
    return Namespace()


@pytest.fixture
async def api(namespace: Namespace) -> AsyncIterator[ClusterApi]:
    async def headers(renew: bool) -> dict[str, str]:
        return {}

    app = web.Application()
    app.router.add_post(PATH, namespace.create)
    app.router.add_get(f"{PATH}/{{name}}", namespace.find)
    app.router.add_delete(f"{PATH}/{{name}}", namespace.delete)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = ClusterApi(Access(f"http://127.0.0.1:{runner.addresses[0][1]}", "ns", "memory", headers))
    yield api
    await api.close()
    await runner.cleanup()


async def test_an_object_is_made_once_found_and_deleted_with_what_it_owns(
    api: ClusterApi, namespace: Namespace
) -> None:
    assert await api.find(DEPLOYMENTS, "ns", "one") is None
    await api.create(DEPLOYMENTS, "ns", ONE)
    assert await api.find(DEPLOYMENTS, "ns", "one") == ONE
    with pytest.raises(AlreadyExists, match='"one" already exists'):
        await api.create(DEPLOYMENTS, "ns", ONE)
    for _ in range(2):  # what is gone is deleted
        await api.delete(DEPLOYMENTS, "ns", "one")
    assert namespace.deletes == [{"propagationPolicy": "Background"}] * 2
    assert await api.find(DEPLOYMENTS, "ns", "one") is None


@pytest.mark.parametrize(
    ("status", "said", "error", "says"),
    [
        (403, "exceeded quota: gpus, requested: 1, used: 8", Exhausted, "not now to create deployments"),
        (403, 'User "u" cannot create', PermissionDenied, r"create deployments\.apps: a Role must grant"),
        (409, "the object has been modified", Conflict, "with 409: the object has been modified"),
    ],
)
async def test_a_refusal_says_what_to_do(
    api: ClusterApi, namespace: Namespace, status: int, said: str, error: type[Exception], says: str
) -> None:
    namespace.refusal = status, {"message": said}
    with pytest.raises(error, match=says):
        await api.create(DEPLOYMENTS, "ns", ONE)
