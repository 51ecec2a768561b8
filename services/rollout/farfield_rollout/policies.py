"""The lane's policy as conversations use it: replicas share the load, and each conversation has one."""

from farfield.policy.v1 import policy_pb2 as pb
from farfield_kernel.batching import Batcher
from farfield_kernel.errors import WEIGHTS_NOT_SERVED, Exhausted, FarfieldError, Unavailable
from farfield_rollout.config import PolicyConfig
from farfield_rollout.policy import PolicyClient
from farfield_rollout.replicas import Endpoints, Pool, Replicas


class Policies:
    def __init__(self, endpoints: Endpoints[PolicyConfig]) -> None:
        self._pool = Pool(PolicyClient)
        self._replicas = Replicas(endpoints, self._pool)
        self._descriptions = Batcher[None, pb.DescribeResponse](self._describe)
        self._described: pb.DescribeResponse | None = None
        self._avoid: PolicyClient | None = None

    async def describe(self) -> pb.DescribeResponse:
        """The engine as it first described itself: its kind does not change under a worker."""
        if self._described is None:
            self._described = await self._descriptions.call(None)
        return self._described

    def pinned(self) -> "PinnedPolicy":
        """For one conversation; closed at its end."""
        return PinnedPolicy(self._replicas)

    async def reap(self) -> None:
        await self._pool.reap()

    async def close(self) -> None:
        await self._pool.close()

    async def _describe(self, asked: list[None]) -> list[pb.DescribeResponse]:
        client = await self._replicas.pick(self._avoid)
        try:
            return [await client.describe()] * len(asked)
        except Unavailable:
            self._avoid = client
            raise


class PinnedPolicy:
    """Stays with one replica, which has the conversation's prefix and its images, until that fails, is full,
    lacks the weights or takes no more work. The next call then goes to another."""

    def __init__(self, replicas: Replicas[PolicyConfig, PolicyClient]) -> None:
        self._replicas = replicas
        self._client: PolicyClient | None = None
        self._avoid: PolicyClient | None = None

    async def generate(self, prompt: pb.Prompt) -> pb.Response:
        client = await self._seat()
        try:
            return await client.generate(prompt)
        except FarfieldError as error:
            if isinstance(error, Unavailable):
                self._replicas.set_aside(client)
            if isinstance(error, Unavailable | Exhausted) or error.reason == WEIGHTS_NOT_SERVED:
                self._avoid = client
                self.close()
            raise

    async def _seat(self) -> PolicyClient:
        if self._client and await self._replicas.has(self._client):
            return self._client
        self.close()
        client = await self._replicas.pick(self._avoid)
        client.load += 1
        self._client = client
        return client

    def close(self) -> None:
        if self._client:
            self._client.load -= 1
            self._client = None
