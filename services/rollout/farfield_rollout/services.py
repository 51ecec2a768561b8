"""The three services that an episode is played with."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from farfield_kernel.discovery.contract import Directory, Kind
from farfield_kernel.discovery.dialing import presenting
from farfield_kernel.discovery.finding import EnvironmentFinder, LaneFinder, VerifierFinder
from farfield_kernel.discovery.hosting import Hosting
from farfield_rollout import environments, verifiers
from farfield_rollout.config import RolloutConfig
from farfield_rollout.endpoints import Dialing, Discovered, Written
from farfield_rollout.environments import Environments
from farfield_rollout.images import ImageCache
from farfield_rollout.policies import Policies
from farfield_rollout.verifiers import Verifiers


@dataclass(frozen=True, slots=True)
class Services:
    environments: Environments
    verifiers: Verifiers
    policies: Policies
    images: ImageCache
    hostings: Sequence[Hosting] = ()
    """What has to be followed, where services are discovered."""

    @classmethod
    def connect(cls, config: RolloutConfig, directory: Directory | None = None) -> "Services":
        """Clients of all three, where the configuration says that they are or `directory` knows them. Nothing
        is asked yet: a service may come up later."""
        images = ImageCache(config.image_cache_bytes)
        if directory is None:
            return cls(
                Environments(environments.written(config.environment, config.environments)),
                Verifiers(verifiers.written(config.verifier)),
                Policies(Written(config.policy)),
                images,
            )
        environment = presenting(config.environment, config.discovery)
        verifier = presenting(config.verifier, config.discovery)
        policy = presenting(config.policy, config.discovery)
        hosting = Hosting(directory, Kind.ENVIRONMENT, environment)
        judging = Hosting(directory, Kind.VERIFIER, verifier)
        find_policy = LaneFinder(directory, Kind.POLICY, config.lane).find
        return cls(
            Environments(environments.hosted(EnvironmentFinder(hosting), environment)),
            Verifiers(verifiers.hosted(VerifierFinder(judging), verifier)),
            Policies(Discovered(find_policy, Dialing(policy))),
            images,
            (hosting, judging),
        )

    async def follow(self) -> None:
        """For ever: keeps what is known of the services as of now."""
        async with asyncio.TaskGroup() as group:
            for hosting in self.hostings:
                group.create_task(hosting.follow())

    async def renew(self) -> None:
        """What has to be done now and then: leases, and connections that nobody uses any more."""
        await self.environments.renew()
        await self.verifiers.reap()
        await self.policies.reap()

    async def close(self) -> None:
        await self.environments.close()
        await self.verifiers.close()
        await self.policies.close()
