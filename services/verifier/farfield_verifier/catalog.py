"""The hosted plugins, and what a leaf of a plan means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel import plugins
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.executors import Pools
from farfield_kernel.hosted import HostedPlugin
from farfield_kernel.wire import struct_to_dict
from farfield_sdk import Options, Verifier
from farfield_sdk.environment import Executor
from farfield_verifier.config import VerifierConfig
from farfield_verifier.meters import Meters

GROUP = "farfield.verifiers"
EXECUTORS = get_args(Executor)


@dataclass(slots=True, kw_only=True)
class Hosted(HostedPlugin):
    """One plugin as this service runs it. `method` is the one that it writes."""

    cls: type[Verifier]
    method: str
    meters: Meters
    info: pb.VerifierInfo


class Catalog:
    """Plugins by name. One that is malformed is shown as broken and hurts nobody else."""

    def __init__(self, loaded: plugins.Loaded, config: VerifierConfig, pools: Pools) -> None:
        self._loaded, self._config, self._pools = loaded, config, pools
        self.hosted = loaded.admitted(self._host)

    @property
    def broken(self) -> Mapping[str, str]:
        return self._loaded.broken

    def _host(self, name: str, plugin: plugins.Plugin) -> Hosted:
        check(name, plugin.cls)
        cls: type[Verifier] = plugin.cls
        executor: str = self._config.executors.get(cls.name, cls.executor)
        method = method_of(cls)
        info = pb.VerifierInfo(
            name=cls.name,
            version=cls.version,
            distribution=plugin.distribution,
            summary=(cls.__doc__ or "").strip().partition("\n")[0],
            options_schema_json=json.dumps(cls.Options.model_json_schema(), sort_keys=True),
            executor=executor,
            whole_groups=method == "verify_group",
            max_batch=cls.max_batch if method == "verify_batch" else 1,
        )
        return Hosted(
            kind="verifier", cls=cls, executor=executor, method=method, meters=Meters(cls.name), info=info
        )

    async def resolve(self, leaf: pb.Leaf) -> tuple[Hosted, Options]:
        """The plugin that a leaf names, and its options validated."""
        if not leaf.verifier:
            raise InvalidArgument("verifier is empty: name one of " + ", ".join(self.hosted))
        self._loaded.get(leaf.verifier)
        hosted = self.hosted[leaf.verifier]
        hosted.check_version(leaf.version)
        given, timeout = struct_to_dict(leaf.options), self._config.options_timeout_seconds
        return hosted, await hosted.options(given, self._pools, timeout)


def check(name: str, cls: Any) -> None:
    """Raises TypeError for a class that cannot be hosted, with the reason."""
    plugins.check_class(name, cls, Verifier, EXECUTORS)
    if not isinstance(cls.max_batch, int) or cls.max_batch < 1:
        raise TypeError(f"{cls.__name__}.max_batch is {cls.max_batch!r}: a batch has at least one attempt")


def method_of(cls: type[Verifier]) -> str:
    """The method that the service uses: `verify_group`, `verify_batch` or `verify`. Raises TypeError where
    the class writes none."""
    for method in ("verify_group", "verify_batch", "verify"):
        if getattr(cls, method) is not getattr(Verifier, method):
            return method
    raise TypeError(f"{cls.__name__} writes none of verify, verify_batch and verify_group")
