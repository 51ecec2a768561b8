"""A cluster as commands see it: its services by kind, under addresses that work from here."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from farfield_cli.cluster.choice import Choice
from farfield_cli.cluster.reach import Reach
from farfield_kernel.client import ClientConfig
from farfield_kernel.cluster.access import access
from farfield_kernel.cluster.api import ClusterApi
from farfield_kernel.discovery.contract import Directory, Kind, Service
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.discovery.kubernetes import KubernetesDirectory
from farfield_kernel.discovery.memory import MemoryDirectory
from farfield_kernel.errors import FailedPrecondition, NotFound


class Cluster:
    """`services` are those of the release, and those that joined it by their label."""

    def __init__(
        self, choice: Choice, api: ClusterApi, namespace: str, source: Directory, reach: Reach
    ) -> None:
        self.api, self.namespace = api, namespace
        self.template = choice.template
        self.directory = MemoryDirectory()
        """Under addresses that work from here; filled by `reached`."""
        self._choice, self._source, self._reach = choice, source, reach
        self.release = choice.release

    @property
    def name(self) -> str:
        return f"{self._choice.context}/{self.namespace}"

    def services(self, kind: Kind) -> list[Service]:
        """Under their own addresses, as the cluster has them."""
        return [one for one in self._source.services(kind) if one.release in ("", self.release)]

    def choose_release(self) -> None:
        """The one that was named, or the only one."""
        found = {one.release for kind in Kind for one in self._source.services(kind)}
        releases = sorted(found - {""})
        if self.release and self.release not in releases:
            raise NotFound(
                f"no release '{self.release}' of Farfield in {self.name}; there is {_listed(releases)}"
            )
        if not found:
            raise NotFound(
                f"nothing of Farfield is in {self.name}: no Service has the label farfield.dev/kind. "
                "Choose with --namespace, or install the chart"
            )
        if not self.release and len(releases) > 1:
            raise FailedPrecondition(
                f"{self.name} has several releases: choose one of {_listed(releases)} with --release"
            )
        self.release = self.release or "".join(releases)

    async def reached(self, *kinds: Kind) -> Directory:
        """The directory with the services of these kinds."""
        for kind in kinds:
            for service in self.services(kind):
                here = [self._reach.of(service, replica) for replica in service.replicas]
                self.directory.put(replace(service, replicas=tuple(await asyncio.gather(*here))))
        return self.directory

    async def follow(self, *kinds: Kind) -> None:
        """For ever: keeps the directory as the cluster is."""
        while True:
            revision = self._source.revision
            await self.reached(*kinds)
            for kind in kinds:
                there = {service.name for service in self.services(kind)}
                for service in self.directory.services(kind):
                    if service.name not in there:
                        self.directory.remove(kind, service.name)
            await self._source.changed(revision)

    async def replicas(self, kind: Kind) -> list[tuple[Service, str, ClientConfig]]:
        """Every ready replica: its service, its name, and how it is called from here."""
        await self.reached(kind)
        return [
            (service, replica.name or replica.address, dialed(self.template, service, replica))
            for service in self.directory.services(kind)
            for replica in service.replicas
        ]


@asynccontextmanager
async def connected(choice: Choice) -> AsyncIterator[Cluster]:
    """For the length of a block, with the release chosen. Raises what a person can do something about: no
    such context, release or right."""
    async with AsyncExitStack() as stack:
        account = await access(choice.context)
        api, namespace = ClusterApi(account), choice.namespace or account.namespace
        stack.push_async_callback(api.close)
        source = KubernetesDirectory(api, namespace)
        stack.push_async_callback(source.close)
        await source.look()
        reach = Reach(api, namespace, choice.template, stack)
        cluster = Cluster(choice, api, namespace, source, reach)
        cluster.choose_release()
        yield cluster


def _listed(names: Sequence[str] | Iterable[str]) -> str:
    return ", ".join(names) or "none"
