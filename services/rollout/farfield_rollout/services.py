"""The three services that an episode is played with."""

from dataclasses import dataclass

from farfield_rollout.config import RolloutConfig
from farfield_rollout.images import ImageCache
from farfield_rollout.policy import PolicyClient
from farfield_rollout.replicas import Environments
from farfield_rollout.verifier import VerifierClient


@dataclass(frozen=True, slots=True)
class Services:
    environments: Environments
    verifier: VerifierClient
    policy: PolicyClient
    images: ImageCache

    @classmethod
    def connect(cls, config: RolloutConfig) -> "Services":
        """Clients of all three. Nothing is asked yet: a service may come up later."""
        return cls(
            Environments(config),
            VerifierClient(config.verifier),
            PolicyClient(config.policy),
            ImageCache(config.image_cache_bytes),
        )

    async def close(self) -> None:
        await self.environments.close()
        await self.verifier.close()
        await self.policy.close()
