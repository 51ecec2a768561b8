"""Who plays an environment, and who judges by a reward plan."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_kernel.discovery import plans
from farfield_kernel.discovery.contract import Directory, Kind, Service
from farfield_kernel.discovery.describing import Description
from farfield_kernel.discovery.hosting import Host, Hosting, inventory, unanswered
from farfield_kernel.errors import FarfieldError, InvalidArgument, NotFound, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")


class EnvironmentFinder:
    """Services by the environment that they host.

    Several that host it alike (one digest) stand for each other: episodes are spread over all of them. Where
    they differ, the first one made has it, so that a newcomer does not change a task in the middle of a run.
    """

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._warned: set[tuple[str, ...]] = set()

    async def find(self, name: str, version: str = "") -> Sequence[Service]:
        """Those that host the environment in that version, or where it is empty in the first one's.
        Unavailable while somebody who may have it does not answer; NotFound says what there is and where."""
        found = await _found(self._hosting, lambda: self._among(name, version), [name])
        return [host.service for host in found]

    def _among(self, name: str, version: str) -> list[Host]:
        having = [host for host in self._hosting.hosts() if _plugin_version(host, name)]
        fitting = [host for host in having if version in ("", _plugin_version(host, name))]
        if not fitting:
            if having:
                raise NotFound(
                    f"environment '{name}' is not hosted in version {version}: "
                    + inventory(having)
                    + "; leave the version empty, or host that one"
                )
            return []
        digest = _plugin_digest(fitting[0], name)
        alike = [host for host in fitting if _plugin_digest(host, name) == digest]
        self._warn(name, alike, [host for host in fitting if host not in alike])
        return alike

    def _warn(self, name: str, alike: Sequence[Host], others: Sequence[Host]) -> None:
        key = (name, *(host.service.name for host in (*alike, *others)))
        if others and key not in self._warned:
            self._warned.add(key)
            log.warning(
                "environment %s is hosted differently by several services: it is played at %s, and not at %s",
                name,
                ", ".join(host.service.name for host in alike),
                ", ".join(host.service.name for host in others),
            )


class VerifierFinder:
    """Services by the reward plans that they can judge by: one hosts every leaf."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting

    async def find(self, plan: RewardPlan) -> Sequence[Service]:
        """One, the first that hosts all leaves. NotFound says what there is, or where the parts are."""
        wanted = plans.leaves(plan)
        named = plans.named(plan)
        if not wanted and not named:
            raise InvalidArgument("the reward plan names no verifier")
        found = await _found(
            self._hosting,
            lambda: [host for host in self._hosting.hosts() if _judges(host.description, wanted, named)],
            sorted({leaf.verifier for leaf in wanted} | named),
            lambda: _scattered(self._hosting.hosts(), wanted),
        )
        return [found[0].service]


class LaneFinder:
    """The services of a kind in a lane: its policies, or its trainer."""

    def __init__(self, directory: Directory, kind: Kind, lane: str) -> None:
        self._directory, self._kind, self._lane = directory, kind, lane

    async def find(self) -> Sequence[Service]:
        """Those with a replica that is ready; Unavailable where there is none, with what there is."""
        if found := self._ready():
            return found
        try:
            await self._directory.look()
        except FarfieldError as error:
            raise Unavailable(f"cannot look for a {self._kind}: {error}") from error
        if found := self._ready():
            return found
        services = self._directory.services(self._kind)
        there = ", ".join(f"{one.name} (lane {one.lane}, {len(one.replicas)} ready)" for one in services)
        raise Unavailable(f"no {self._kind} of lane '{self._lane}' is ready; there is {there or 'none'}")

    def _ready(self) -> list[Service]:
        services = self._directory.services(self._kind)
        return [one for one in services if one.lane == self._lane and one.replicas]


def _judges(description: Description | None, wanted: Sequence[Leaf], named: set[str]) -> bool:
    return (
        description is not None
        and named <= description.plans
        and all(_has(description, leaf) for leaf in wanted)
    )


def _has(description: Description, leaf: Leaf) -> bool:
    plugin = description.plugins.get(leaf.verifier)
    return plugin is not None and leaf.version in ("", plugin.version)


def _scattered(hosts: Sequence[Host], wanted: Sequence[Leaf]) -> FarfieldError | None:
    """Where every leaf is hosted, and not at one service."""
    where = {
        leaf.verifier: [one.service.name for one in hosts if one.description and _has(one.description, leaf)]
        for leaf in wanted
    }
    if not all(where.values()) or len(where) < 2:
        return None
    places = "; ".join(f"'{name}' at {', '.join(names)}" for name, names in where.items())
    return NotFound(
        f"no verifier service hosts all that this reward names: {places}. A reward is judged by one service: "
        "give one of them all these plugins"
    )


async def _found(
    hosting: Hosting,
    among: Callable[[], Sequence[Host]],
    names: Sequence[str],
    closer: Callable[[], FarfieldError | None] = lambda: None,
) -> Sequence[Host]:
    """Those that `among` knows, after a look where it knows none. `closer` may know a better error."""
    if found := among():
        return found
    try:
        await hosting.look()
    except FarfieldError as error:  # an account that may not look is given the right while we wait
        raise Unavailable(f"cannot look for {_what(hosting, names)}: {error}") from error
    if found := among():
        return found
    hosts = hosting.hosts()
    raise unanswered(hosts, _what(hosting, names)) or closer() or _nowhere(hosting, hosts, names)


def _what(hosting: Hosting, names: Sequence[str]) -> str:
    return f"{hosting.kind} " + ", ".join(f"'{name}'" for name in names)


def _nowhere(hosting: Hosting, hosts: Sequence[Host], names: Sequence[str]) -> FarfieldError:
    there = f"no {_what(hosting, names)}; of {hosting.kind} services, {inventory(hosts)}"
    if hosting.gone & set(names):
        return Unavailable(f"{there}. It was hosted before, and may come back")
    return NotFound(there)


def _plugin_version(host: Host, name: str) -> str:
    plugin = host.description.plugins.get(name) if host.description else None
    return plugin.version if plugin else ""


def _plugin_digest(host: Host, name: str) -> str:
    plugin = host.description.plugins.get(name) if host.description else None
    return plugin.digest if plugin else ""
