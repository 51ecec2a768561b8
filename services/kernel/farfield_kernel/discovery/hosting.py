"""Which service hosts which plugin: every service of a kind is asked, and asked again when it changes."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from farfield_kernel import metrics
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Directory, Kind, Service
from farfield_kernel.discovery.describing import Description, described
from farfield_kernel.discovery.dialing import dialed
from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable

log = logging.getLogger(__name__)

_answers = metrics.gauge(
    "discovery_service_answers", "Whether a found service says what it hosts.", ("kind", "service")
)
_ASK_SECONDS = 5.0
_MOST_ASKED = 3
"""Replicas of one service, where the first ones do not answer."""
_REFRESH_SECONDS = 60.0
_SOON_SECONDS = 2.0
"""When a service that does not answer is asked again."""
_LOOK_SECONDS = 1.0
"""Between two looks, however many plugins are missed."""

Ask = Callable[[Kind, ClientConfig], Awaitable[Description]]


@dataclass(frozen=True, slots=True)
class Host:
    """A service and what it said of itself, or why it is left out. `asked`: when, in monotonic seconds."""

    service: Service
    description: Description | None
    problem: str = ""
    silent: bool = False
    """It may yet answer: it is away, or has no replica that is ready."""
    asked: float = 0.0


class Hosting:
    """The services of one kind with their plugins. `template` says how they are called."""

    def __init__(
        self, directory: Directory, kind: Kind, template: ClientConfig, ask: Ask = described
    ) -> None:
        self.kind = kind
        self.template = template
        self.gone: set[str] = set()
        """Plugins that were hosted once: whoever hosts them may come back."""
        self._directory, self._ask = directory, ask
        self._hosts: dict[str, Host] = {}
        self._refreshing, self._looking = asyncio.Lock(), asyncio.Lock()
        self._looked_at = float("-inf")
        self._look_failed: FarfieldError | None = None

    def hosts(self) -> list[Host]:
        """In the order of the directory, with the replicas of this moment."""
        services = self._directory.services(self.kind)
        return [
            replace(self._hosts[service.name], service=service)
            for service in services
            if service.name in self._hosts
        ]

    async def follow(self) -> None:
        """For ever: asks whoever is new or has changed at once, and everybody now and then."""
        while True:
            revision = self._directory.revision
            await self._refresh()
            silent = any(host.silent for host in self._hosts.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SOON_SECONDS if silent else _REFRESH_SECONDS):
                    await self._directory.changed(revision)

    async def look(self) -> None:
        """Until the directory and every service that is new, changed or silent have been asked after this
        call; raises why the directory cannot be. Those who look at once share the answer."""
        called = time.monotonic()
        async with self._looking:
            if self._looked_at < called:
                await asyncio.sleep(max(0.0, self._looked_at + _LOOK_SECONDS - called))
                self._looked_at = time.monotonic()
                self._look_failed = await self._looked()
            if self._look_failed:
                raise self._look_failed

    async def _looked(self) -> FarfieldError | None:
        """The error where there was one."""
        try:
            await self._directory.look()
            async with self._refreshing:
                await self._ask_all(lambda host: host.description is None)
        except FarfieldError as error:
            return error
        return None

    async def _refresh(self) -> None:
        async with self._refreshing:
            now = time.monotonic()
            await self._ask_all(lambda host: host.silent or now - host.asked > _REFRESH_SECONDS)

    async def _ask_all(self, due: Callable[[Host], bool]) -> None:
        services = {service.name: service for service in self._directory.services(self.kind)}
        for name in self._hosts.keys() - services.keys():
            self._forget(name)
        asked = [service for service in services.values() if self._is_due(service, due)]
        for host in await asyncio.gather(*map(self._asked, asked)):
            self._remember(host)

    def _is_due(self, service: Service, due: Callable[[Host], bool]) -> bool:
        host = self._hosts.get(service.name)
        return host is None or host.service != service or due(host)

    async def _asked(self, service: Service) -> Host:
        """Replicas are alike: one speaks for all."""
        problem, silent = "it has no replica that is ready", True
        template = self.template.model_copy(update={"timeout_seconds": _ASK_SECONDS, "attempts": 2})
        for replica in random.sample(service.replicas, min(_MOST_ASKED, len(service.replicas))):
            try:
                description = await self._ask(self.kind, dialed(template, service, replica))
            except FarfieldError as error:
                problem, silent = str(error), not isinstance(error, FailedPrecondition)
            except Exception as error:  # whatever a stranger answers, it hurts nobody else
                log.exception("%s %s was asked what it hosts", self.kind, service.name)
                problem = f"{type(error).__name__}: {error}"
            else:
                return Host(service, description, asked=time.monotonic())
        return Host(service, None, problem, silent, time.monotonic())

    def _remember(self, host: Host) -> None:
        name, before = host.service.name, self._hosts.get(host.service.name)
        self._hosts[name] = host
        _answers.labels(self.kind, name).set(host.description is not None)
        if host.description:
            self._note_loss(before, host.description)
            self.gone -= host.description.plugins.keys()
            if before is None or before.description != host.description:
                log.info("%s %s hosts %s", self.kind, name, ", ".join(host.description.plugins) or "nothing")
        else:
            self._note_loss(before, None)
            if before is None or before.problem != host.problem:
                log.warning("%s %s is left out: %s", self.kind, name, host.problem)

    def _note_loss(self, before: Host | None, now: Description | None) -> None:
        if before and before.description:
            self.gone |= before.description.plugins.keys() - (now.plugins.keys() if now else set())

    def _forget(self, name: str) -> None:
        self._note_loss(self._hosts.pop(name), None)
        with contextlib.suppress(KeyError):
            _answers.remove(self.kind, name)
        log.info("%s %s is gone", self.kind, name)


def inventory(hosts: Sequence[Host]) -> str:
    """What there is and where, for a message."""
    return "; ".join(_said(hosts)) or "nothing"


def _said(hosts: Sequence[Host]) -> Iterator[str]:
    for host in hosts:
        if host.description:
            plugins = ", ".join(
                f"{one.name} {one.version}" for _, one in sorted(host.description.plugins.items())
            )
            yield f"{host.service.name} has {plugins or 'none'}"
        else:
            yield f"{host.service.name} is left out: {host.problem}"


def unanswered(hosts: Sequence[Host], what: str) -> Unavailable | None:
    """The error while somebody who may have it does not answer."""
    silent = [f"{host.service.name} ({host.problem})" for host in hosts if host.silent]
    if not silent:
        return None
    return Unavailable(f"nobody who answers has {what}, and not all do: {'; '.join(silent)}")
