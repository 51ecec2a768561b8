"""What a roll-out does where the API or the cluster does not go along, against objects in memory."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from farfield_kernel.cluster.access import Access
from farfield_kernel.cluster.api import DEPLOYMENTS, SERVICES, Object, Resource
from farfield_kernel.errors import AlreadyExists, FailedPrecondition, Unavailable
from farfield_policy import meters
from farfield_policy.engine import Version
from farfield_policy.tgi.config import KubernetesWeights
from farfield_policy.tgi.kubernetes import KubernetesHosting, address
from farfield_policy.tgi.template import Pair, Release, Template

TEMPLATE = """
{kind: Deployment, metadata: {name: tgi}, spec: {replicas: 1, template: {spec: {args: [__MODEL__]}}}}
---
{kind: Service, metadata: {name: tgi}, spec: {ports: [{port: 8080}]}}
"""
READY: Object = {"availableReplicas": 1}
QUOTA = "exceeded quota: gpus, requested: 1, used: 8, limited: 8"
NO_PODS: Object = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": QUOTA}]}
MODEL = "stand-in"
"""What the server shows that answers for all of them."""
ONE = Version("run", 1)


class Shelf:
    """A namespace in memory, whose Deployments are given `status` when they are made."""

    def __init__(self, status: Object) -> None:
        self.access = Access("http://none", "rl", "", self._headers)
        self.status = status
        self.away = 0
        """How many more requests are not answered."""
        self._objects: dict[tuple[str, str], Object] = {}

    def names(self) -> set[str]:
        return {name for _, name in self._objects}

    async def items(self, kind: Resource, namespace: str, selector: str = "") -> tuple[list[Object], str]:
        self._answer()
        key, _, value = selector.partition("=")
        found = [one for (held, _), one in self._objects.items() if held == kind.plural]
        return [one for one in copy.deepcopy(found) if one["metadata"]["labels"].get(key) == value], "1"

    async def find(self, kind: Resource, namespace: str, name: str) -> Object | None:
        self._answer()
        return copy.deepcopy(self._objects.get((kind.plural, name)))

    async def create(self, kind: Resource, namespace: str, one: Object) -> None:
        self._answer()
        if self._objects.setdefault((kind.plural, one["metadata"]["name"]), one) is not one:
            raise AlreadyExists("there is one of its name")
        one["metadata"]["namespace"] = namespace
        one["status"] = copy.deepcopy(self.status)

    async def delete(self, kind: Resource, namespace: str, name: str) -> None:
        self._answer()
        self._objects.pop((kind.plural, name), None)

    async def _headers(self, renew: bool) -> dict[str, str]:
        return {}

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the Kubernetes API does not answer")


@pytest.fixture
def info(tgi_wire: Any, make_word_tokenizer: Callable[..., Any]) -> Any:
    return tgi_wire.TgiWire(tgi_wire.scripted(make_word_tokenizer(), ["d e f"]))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(READY)


@pytest.fixture
async def hosting(
    shelf: Shelf, info: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesHosting]:
    monkeypatch.setattr("farfield_policy.tgi.kubernetes._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("farfield_policy.tgi.kubernetes._FIRST_DELAY", 0.01)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    weights = KubernetesWeights(kind="kubernetes", template=tmp_path / "template.yaml")
    async with info as served:
        hosting = KubernetesHosting(weights, shelf, MODEL, address=lambda service: served.url)
        yield hosting
        await hosting.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def held(name: str, shelf: Shelf) -> bool:
    return any(name in one for one in shelf.names())


async def test_a_quota_that_is_full_rolls_back_at_once_and_says_so(
    hosting: KubernetesHosting, shelf: Shelf
) -> None:
    await hosting.open()
    before = meters.rollouts.labels("rolled_back")._value.get()
    shelf.status = NO_PODS
    with pytest.raises(FailedPrecondition, match=f"serves on.*gets no pods: {QUOTA}"):
        await hosting.serve(MODEL, ONE)
    await until(lambda: not held("-v1-", shelf))
    assert held("-v0-", shelf)
    assert meters.rollouts.labels("rolled_back")._value.get() == before + 1


async def test_an_api_that_is_away_for_a_while_is_waited_for(
    hosting: KubernetesHosting, shelf: Shelf
) -> None:
    await hosting.open()
    shelf.away = 4
    await hosting.serve(MODEL, ONE)
    assert held("-v1-", shelf)


async def test_what_cannot_be_deleted_now_is_deleted_later(hosting: KubernetesHosting, shelf: Shelf) -> None:
    first = await hosting.open()
    hosting._servers.clear()
    shelf.away = 3
    await hosting.retire(first)
    await until(lambda: not shelf.names())


async def test_a_deployment_that_somebody_deletes_fails_the_rollout(
    hosting: KubernetesHosting, shelf: Shelf
) -> None:
    shelf.status = {}
    coming = asyncio.ensure_future(hosting.serve(MODEL, ONE))
    await until(lambda: bool(shelf.names()))
    for kind in (DEPLOYMENTS, SERVICES):
        for name in shelf.names():
            await shelf.delete(kind, "rl", name)
    with pytest.raises(FailedPrecondition, match="was deleted by somebody else"):
        await coming


def test_a_server_is_reached_by_its_service(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    pair: Pair = Template(tmp_path / "template.yaml", "tgi").render(Release("/runs/1", ONE))
    pair.service["metadata"]["namespace"] = "rl"
    assert address(pair.service) == f"http://{pair.name}.rl.svc:8080"


async def test_an_error_says_what_the_deployment_lacked(hosting: KubernetesHosting, shelf: Shelf) -> None:
    await hosting.open()
    hosting._config = hosting._config.model_copy(update={"start_seconds": 0.3})
    shelf.status = {"conditions": [{"type": "Available", "status": "False", "message": "no minimum"}]}
    with pytest.raises(FailedPrecondition, match="0 of 1 pods are available; no minimum"):
        await hosting.serve(MODEL, ONE)
