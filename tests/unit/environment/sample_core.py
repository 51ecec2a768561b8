"""The environment service without its server, for tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.catalog import Catalog
from farfield_environment.config import EnvironmentConfig
from farfield_environment.seats import Seats
from farfield_environment.session import Session
from farfield_environment.sessions import Sessions
from farfield_kernel import metrics
from farfield_kernel.executors import Pools
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.wire import struct_from


class Core:
    """The service without its server, on a clock that the test moves."""

    def __init__(self, *classes: type, **config: object) -> None:
        self.now = 0.0
        self.config = EnvironmentConfig.model_validate(config)
        pools = Pools(self.config.threads)
        self.seats = Seats(self.config, pools)
        self.catalog = Catalog(loaded(*classes), self.config, pools)
        self.sessions = Sessions(self.config, self.seats, clock=lambda: self.now)


def loaded(*classes: type) -> Loaded:
    return Loaded("farfield.environments", {cls.name: Plugin(cls, "samples==1") for cls in classes}, {})


OpenCore = Callable[..., AbstractAsyncContextManager[Core]]


@asynccontextmanager
async def opened(*classes: type, **config: object) -> AsyncIterator[Core]:
    core = Core(*classes, **config)
    try:
        yield core
    finally:
        await core.seats.close()


async def create(core: Core, cls: type, *wanted: tuple[str, int], **options: object) -> list[Session]:
    ref = pb.EnvironmentRef(name=cls.name, options=struct_from(options))
    return await core.sessions.create(await core.catalog.resolve(ref), wanted or [("a", 1)])


async def step(core: Core, session_id: str, turn: int, response: str) -> pb.Outcome:
    answer = core.sessions.step(session_id, turn, response)
    return answer if isinstance(answer, pb.Outcome) else await answer


async def restore(
    core: Core, cls: type, responses: list[str], digest: str = "", **options: object
) -> Session:
    ref = pb.EnvironmentRef(name=cls.name, options=struct_from(options))
    return await core.sessions.restore(await core.catalog.resolve(ref), "a", 1, responses, digest)


def count(name: str, labels: dict[str, str]) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0
