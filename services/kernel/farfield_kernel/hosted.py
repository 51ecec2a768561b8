"""A plugin as a service hosts it: where it runs, what its options mean, and what it is blamed for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import Counter

from farfield_kernel.config import parse
from farfield_kernel.errors import DeadlineExceeded, FarfieldError, NotFound, PluginFailure
from farfield_kernel.executors import Pools
from farfield_kernel.processes import OutOfMemory, ProcessDied
from farfield_kernel.promptness import Promptness
from farfield_kernel.worker import Nonsense

log = logging.getLogger(__name__)

FAULTS = ("raised", "timeout", "crashed", "memory", "invalid")
"""What a plugin can be blamed for."""


class Counted(Protocol):
    """What a service counts of one plugin: inline calls that kept the event loop, and failures by fault."""

    slow: Counter
    failures: dict[str, Counter]


@dataclass(slots=True, kw_only=True)
class HostedPlugin:
    """One plugin. `kind` is what it is, an environment or a verifier; `info` is how the service lists it, a
    message with a field `executor`; `executor` changes where the plugin has to leave the event loop."""

    kind: str
    cls: Any
    executor: str
    info: Any
    meters: Counted
    promptness: Promptness = field(default_factory=Promptness)

    @property
    def name(self) -> str:
        return self.cls.name

    def check_version(self, version: str) -> None:
        """Raises NotFound for a version that is not this one; empty is any."""
        if version not in ("", self.cls.version):
            raise NotFound(
                f"{self.kind} '{self.name}' is hosted here in version {self.cls.version}, "
                f"not {version}: leave the version empty, or host that one"
            )

    async def options(self, given: Mapping[str, Any], pools: Pools, timeout: float) -> Any:
        """The plugin's options. Validated on a thread: a validator is its own code and may take its time."""
        what = f"options of {self.kind} '{self.name}'"
        try:
            threads = pools.threads(self.name)
            return await threads.run(parse, self.cls.Options, given, what, timeout=timeout)
        except FarfieldError:
            raise
        except Exception as error:
            self.meters.failures["raised"].inc()
            raise PluginFailure(f"{what}: validation raised {type(error).__name__}: {error}") from error

    def took(self, seconds: float) -> None:
        """Of an inline call. A plugin that keeps the event loop gets threads from then on."""
        if not self.promptness.took(seconds):
            return
        self.meters.slow.inc()
        if self.promptness.broken and self.executor == "inline":
            log.warning(
                "%s %s is inline and took %s: it gets threads from now on",
                self.kind,
                self.name,
                self.promptness,
            )
            self.executor = self.info.executor = "thread"

    def failed(
        self, error: BaseException, method: str, context: Mapping[str, Any] | None = None
    ) -> FarfieldError:
        """Counts and logs what the plugin did, and says so with its name. `context` goes to the log."""
        fault, said = _blame(error)
        self.meters.failures[fault].inc()
        log.error("%s %s failed in %s: %s", self.kind, self.name, method, said, exc_info=error, extra=context)
        known = DeadlineExceeded if fault == "timeout" else PluginFailure
        return known(f"{self.kind} '{self.name}' failed in {method}: {said}")


def _blame(error: BaseException) -> tuple[str, str]:
    """The fault, and what is said of it. An error of a child process has its type in its text alone."""
    if isinstance(error, DeadlineExceeded):
        return "timeout", str(error)
    if isinstance(error, OutOfMemory):
        return "memory", str(error)
    if isinstance(error, ProcessDied):
        return "crashed", str(error)
    said = str(error) if isinstance(error, PluginFailure) else f"{type(error).__name__}: {error}"
    return ("invalid" if said.startswith(Nonsense.__name__) else "raised"), said
