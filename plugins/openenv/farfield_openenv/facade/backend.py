"""The two services behind the facade, reached as a rollout worker reaches them: steps of all sessions on
one stream, verdicts in batches, retries under a budget, lost sessions rebuilt by replay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1.types_pb2 import Verdict
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import NotFound, translated
from farfield_kernel.wire import struct_from
from farfield_openenv.facade.config import FacadeConfig
from farfield_openenv.facade.forms import ResetData
from farfield_rollout.environments import Environments, written
from farfield_rollout.failures import Stage, retried
from farfield_rollout.images import ImageCache
from farfield_rollout.session import Session
from farfield_rollout.verifier import VerifierClient

_IMAGE_CACHE_BYTES = 64 * 1024 * 1024


class Backend:
    def __init__(self, config: FacadeConfig) -> None:
        self.config, self.plan = config, config.plan()
        self._environments = Environments(written(config.environment))
        self._verifier = VerifierClient(config.verifier)
        self._images = ImageCache(_IMAGE_CACHE_BYTES)

    @classmethod
    @asynccontextmanager
    async def connected(cls, config: FacadeConfig) -> AsyncIterator["Backend"]:
        backend = cls(config)
        try:
            yield backend
        finally:
            await asyncio.gather(backend._environments.close(), backend._verifier.close())

    async def describe(self) -> env.EnvironmentInfo:
        """The environment, after a look whether the verifier can grade by the plan. NotFound and
        InvalidArgument say what in the configuration is wrong."""
        config = self.config
        async with translated(), channel(_first(config.verifier)) as opened:
            await VerifierServiceStub(opened).Verify(ver.VerifyRequest(plan=self.plan))
        async with translated(), channel(_first(config.environment)) as opened:
            hosted = (await EnvironmentServiceStub(opened).Describe(env.DescribeRequest())).environments
        return _chosen(hosted, config)

    def session(self, session_id: str, wanted: ResetData, seed: int) -> Session:
        """Not started yet."""
        config = self.config
        ref = self._ref(wanted)
        replicas = self._environments.of(ref)
        return Session(session_id, ref, seed, replicas, self._images, config.retry)

    async def verify(self, attempt: ver.Attempt) -> Verdict:
        """The verdict; an attempt that cannot be judged is an error, never a reward."""
        return await retried(
            lambda: self._verifier.verify(self.plan, attempt), Stage.VERIFY, self.config.retry
        )

    async def renew_forever(self) -> None:
        """A lease lasts as long as the client's connection, however long its policy thinks."""
        while True:
            await asyncio.sleep(self.config.renew_seconds)
            await self._environments.renew()

    def _ref(self, wanted: ResetData) -> env.EnvironmentRef:
        config = self.config
        variant, options = config.variant, config.options
        if wanted.variant is not None:
            variant, options = wanted.variant, {}
        given = struct_from({**options, **wanted.options})
        return env.EnvironmentRef(name=config.name, variant=variant, options=given)


def _first(config: ClientConfig) -> ClientConfig:
    """Replicas host the same: one is asked for all."""
    return config.model_copy(update={"address": config.address.split(",")[0].strip()})


def _chosen(hosted: Any, config: FacadeConfig) -> env.EnvironmentInfo:
    by_name = {info.name: info for info in hosted}
    if config.name not in by_name:
        raise NotFound(f"no environment '{config.name}'; hosted: {', '.join(by_name) or 'none'}")
    info = by_name[config.name]
    variants = [one.name for one in info.variants]
    if config.variant and config.variant not in variants:
        known = ", ".join(variants) or "none"
        raise NotFound(f"environment '{config.name}' has no variant '{config.variant}'; it has: {known}")
    return info
