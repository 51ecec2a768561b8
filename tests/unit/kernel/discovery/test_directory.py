"""One test class for every directory: the one in memory, and the one of a cluster."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farfield_kernel.config import parse
from farfield_kernel.discovery.config import ListedService, StaticDiscovery
from farfield_kernel.discovery.contract import Directory, Kind, Replica, Service
from farfield_kernel.discovery.kubernetes import KubernetesDirectory
from farfield_kernel.discovery.memory import MemoryDirectory
from farfield_kernel.discovery.opening import opened
from farfield_kernel.discovery.static import static_directory
from farfield_kernel.errors import InvalidArgument


class InMemory:
    """How a test changes what a directory shows."""

    def __init__(self) -> None:
        self.directory = MemoryDirectory()

    def put(self, name: str, kind: str, *hosts: str, lane: str = "default") -> None:
        replicas = tuple(Replica(f"{host}:1", f"pod-{host}") for host in hosts)
        order = "2026-01-01T00:00:00Z"
        self.directory.put(Service(name, Kind(kind), replicas, lane, order, server_name=f"{name}.ns.svc"))

    def remove(self, name: str, kind: str) -> None:
        self.directory.remove(Kind(kind), name)


class InCluster:
    def __init__(self, standing, api, made) -> None:
        self._standing, (self._service, self._endpoints) = standing, made
        self.directory = KubernetesDirectory(api, "ns")

    def put(self, name: str, kind: str, *hosts: str, lane: str = "") -> None:
        self._standing.put("services", self._service(name, kind, lane=lane))
        self._standing.put("endpointslices", self._endpoints(name, *(f"{host}:1" for host in hosts)))

    def remove(self, name: str, kind: str) -> None:
        self._standing.remove("services", name)
        self._standing.remove("endpointslices", f"{name}-0")


@pytest.fixture(params=["memory", "cluster"])
async def place(request: pytest.FixtureRequest, stand_in, api, made) -> AsyncIterator[InMemory | InCluster]:
    found = InMemory() if request.param == "memory" else InCluster(stand_in[0], api, made)
    yield found
    await found.directory.close()


async def until(directory: Directory, holds) -> None:
    while not holds():
        revision = directory.revision
        if not holds():
            await directory.changed(revision)


class TestDirectory:
    async def test_services_are_found_by_kind(self, place) -> None:
        place.put("games", "environment", "10.0.0.1", "10.0.0.2")
        place.put("judge", "verifier", "10.0.0.3")
        await place.directory.look()
        (games,) = place.directory.services(Kind.ENVIRONMENT)
        assert games == Service(
            name="games",
            kind=Kind.ENVIRONMENT,
            replicas=(Replica("10.0.0.1:1", "pod-10.0.0.1"), Replica("10.0.0.2:1", "pod-10.0.0.2")),
            order="2026-01-01T00:00:00Z",
            server_name="games.ns.svc",
        )
        assert [one.name for one in place.directory.services(Kind.VERIFIER)] == ["judge"]
        assert not place.directory.services(Kind.POLICY)

    async def test_what_joins_and_what_leaves_is_news(self, place) -> None:
        directory = place.directory
        await directory.look()
        place.put("games", "environment", "10.0.0.1")
        await until(directory, lambda: any(one.replicas for one in directory.services(Kind.ENVIRONMENT)))
        place.put("games", "environment", "10.0.0.1", "10.0.0.2")
        await until(directory, lambda: len(directory.services(Kind.ENVIRONMENT)[0].replicas) == 2)
        place.remove("games", "environment")
        await until(directory, lambda: not directory.services(Kind.ENVIRONMENT))

    async def test_everybody_who_waits_hears_of_it(self, place) -> None:
        directory = place.directory
        await directory.look()
        revision = directory.revision
        waiting = [asyncio.ensure_future(directory.changed(revision)) for _ in range(3)]
        place.put("games", "environment", "10.0.0.1")
        await asyncio.gather(*waiting)
        assert directory.revision > revision

    async def test_a_service_without_ready_replicas_is_known(self, place) -> None:
        place.put("games", "environment")
        await place.directory.look()
        assert [one.replicas for one in place.directory.services(Kind.ENVIRONMENT)] == [()]

    async def test_lanes(self, place) -> None:
        place.put("fast", "policy", "10.0.0.1", lane="rl")
        place.put("plain", "policy", "10.0.0.2")
        await place.directory.look()
        lanes = {one.name: one.lane for one in place.directory.services(Kind.POLICY)}
        assert lanes == {"fast": "rl", "plain": "default"}


def test_a_static_list_keeps_its_order_and_splits_replicas() -> None:
    listed = StaticDiscovery(
        services=(
            ListedService(kind="verifier", address="z:1"),
            ListedService(kind="verifier", address="a:1, a:2", name="second"),
            ListedService(kind="environment", address="z:1"),
        )
    )
    first, second = static_directory(listed).services(Kind.VERIFIER)
    assert (first.name, second.name) == ("z:1", "second")
    assert second.replicas == (Replica("a:1"), Replica("a:2"))


def test_a_service_is_listed_once() -> None:
    one = {"kind": "verifier", "address": "z:1"}
    with pytest.raises(InvalidArgument, match="verifier z:1 is there twice"):
        parse(StaticDiscovery, {"services": [one, one]}, "discovery")


async def test_an_empty_static_list_discovers_nothing() -> None:
    assert await opened(StaticDiscovery()) is None
