"""The environment service without its server, for tests."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from farfield_environment.catalog import Catalog
from farfield_environment.config import EnvironmentConfig
from farfield_environment.seats import Seats
from farfield_environment.sessions import Sessions
from farfield_kernel.executors import Threads
from farfield_kernel.plugins import Loaded, Plugin


class Core:
    """The service without its server, on a clock that the test moves."""

    def __init__(self, *classes: type, **config: object) -> None:
        self.now = 0.0
        self.config = EnvironmentConfig.model_validate(config)
        threads = Threads(self.config.threads)
        self.seats = Seats(self.config, threads)
        self.catalog = Catalog(loaded(*classes), self.config, threads)
        self.sessions = Sessions(self.config, self.seats, clock=lambda: self.now)


def loaded(*classes: type) -> Loaded:
    return Loaded("farfield.environments", {cls.name: Plugin(cls, "samples==1") for cls in classes}, {})


OpenCore = Callable[..., AbstractAsyncContextManager[Core]]
