"""The verifier service without its server, for tests."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.executors import Pools
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.wire import struct_from
from farfield_verifier.catalog import Catalog
from farfield_verifier.config import VerifierConfig
from farfield_verifier.judges import Bench
from farfield_verifier.scoring import Scoring


class Core:
    def __init__(self, *classes: type, clock: Callable[[], float] = time.monotonic, **config: object) -> None:
        self.config = VerifierConfig.model_validate(config)
        pools = Pools(self.config.threads)
        self.bench = Bench(self.config, pools)
        self.catalog = Catalog(loaded(*classes), self.config, pools)
        self.scoring = Scoring(self.config, self.catalog, self.bench, clock)


def loaded(*classes: type) -> Loaded:
    return Loaded("farfield.verifiers", {cls.name: Plugin(cls, "samples==1") for cls in classes}, {})


OpenCore = Callable[..., AbstractAsyncContextManager[Core]]


@asynccontextmanager
async def opened(*classes: type, **config: Any) -> AsyncIterator[Core]:
    core = Core(*classes, **config)
    try:
        yield core
    finally:
        await core.bench.close()


def leaf(verifier: str = "match", version: str = "", label: str = "", **options: Any) -> pb.RewardPlan:
    named = pb.Leaf(verifier=verifier, version=version, label=label, options=struct_from(options))
    return pb.RewardPlan(leaf=named)


def attempt(response: str = "42", facts: str = '{"answer":"42"}', **fields: Any) -> pb.Attempt:
    return pb.Attempt(response=response, facts_json=facts, **fields)


async def judge(core: Core, plan: pb.RewardPlan, *attempts: pb.Attempt) -> list[Any]:
    return await core.scoring.verify(await core.scoring.compiled(plan), attempts or [attempt()])
