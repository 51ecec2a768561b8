"""The services that a trainer asks: for demonstrations, and whether a run can be played and judged."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc.aio

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.verifier.v1.verifier_pb2 import RewardPlan
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.discovery.contract import Directory, Kind, Service
from farfield_kernel.discovery.dialing import dialed, presenting
from farfield_kernel.discovery.finding import EnvironmentFinder, VerifierFinder
from farfield_kernel.discovery.hosting import Hosting
from farfield_kernel.discovery.opening import opened
from farfield_kernel.errors import Unavailable
from farfield_trainer.config import TrainerConfig

T = TypeVar("T")
EnvironmentOf = Callable[[EnvironmentRef], Awaitable[EnvironmentServiceStub]]
VerifierOf = Callable[[RewardPlan], Awaitable[VerifierServiceStub]]
_TEMPLATE = ClientConfig(address="discovered")


@dataclass(frozen=True, slots=True)
class Peers:
    """Who hosts an environment, and who judges by a plan; None where nobody is to be asked."""

    environment: EnvironmentOf | None = None
    verifier: VerifierOf | None = None


@asynccontextmanager
async def connected(config: TrainerConfig) -> AsyncIterator[Peers]:
    """As configured, or as discovered; for the length of a block."""
    async with AsyncExitStack() as stack:
        directory = await opened(config.discovery)
        if directory is None:
            yield Peers(
                environment=await _written(stack, config.environment, EnvironmentServiceStub),
                verifier=await _written(stack, config.verifier, VerifierServiceStub),
            )
            return
        stack.push_async_callback(directory.close)
        yield await _discovered(stack, directory, config)


async def _written(
    stack: AsyncExitStack, config: ClientConfig | None, make: Callable[[grpc.aio.Channel], T]
) -> Callable[[object], Awaitable[T]] | None:
    if config is None:
        return None
    return always(make(await stack.enter_async_context(channel(config))))


def always(stub: T) -> Callable[[object], Awaitable[T]]:
    """One service for everything."""

    async def find(wanted: object) -> T:
        return stub

    return find


async def _discovered(stack: AsyncExitStack, directory: Directory, config: TrainerConfig) -> Peers:
    environment = Hosting(
        directory, Kind.ENVIRONMENT, presenting(config.environment or _TEMPLATE, config.discovery)
    )
    verifier = Hosting(directory, Kind.VERIFIER, presenting(config.verifier or _TEMPLATE, config.discovery))
    channels = await stack.enter_async_context(_Channels())
    for hosting in (environment, verifier):
        stack.callback(asyncio.ensure_future(hosting.follow()).cancel)
    environments, verifiers = EnvironmentFinder(environment), VerifierFinder(verifier)

    async def environment_of(ref: EnvironmentRef) -> EnvironmentServiceStub:
        services = await environments.find(ref.name, ref.version)
        return EnvironmentServiceStub(await channels.to(services, environment.template))

    async def verifier_of(plan: RewardPlan) -> VerifierServiceStub:
        return VerifierServiceStub(await channels.to(await verifiers.find(plan), verifier.template))

    return Peers(environment_of, verifier_of)


class _Channels:
    """One for each replica that was asked."""

    def __init__(self) -> None:
        self._open: dict[ClientConfig, grpc.aio.Channel] = {}

    async def __aenter__(self) -> "_Channels":
        return self

    async def __aexit__(self, *raised: object) -> None:
        for one in self._open.values():
            await one.close()

    async def to(self, services: Sequence[Service], template: ClientConfig) -> grpc.aio.Channel:
        """To any of their replicas: whoever asks again may meet another."""
        ways = [dialed(template, service, replica) for service in services for replica in service.replicas]
        if not ways:
            names = ", ".join(service.name for service in services)
            raise Unavailable(f"{names} has no replica that is ready")
        way = random.choice(ways)
        if way not in self._open:
            self._open[way] = channel(way)
        return self._open[way]
