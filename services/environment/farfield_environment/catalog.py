"""The hosted plugins, and what a reference to one of them means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic_core import to_jsonable_python

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.config import EnvironmentConfig
from farfield_environment.messages import Rules
from farfield_environment.meters import Meters
from farfield_kernel import plugins
from farfield_kernel.errors import InvalidArgument, NotFound
from farfield_kernel.executors import Pools
from farfield_kernel.hosted import HostedPlugin
from farfield_kernel.wire import struct_from, struct_to_dict
from farfield_sdk import BatchedEnvironment, Environment, Options
from farfield_sdk.environment import Executor

GROUP = "farfield.environments"
EXECUTORS = get_args(Executor)
REMEMBERED = 256
"""Resolved references that are kept, so that options are validated once."""


@dataclass(slots=True, kw_only=True)
class Hosted(HostedPlugin):
    """One plugin as this service runs it."""

    cls: type[Environment]
    rules: Rules
    meters: Meters
    info: pb.EnvironmentInfo


@dataclass(frozen=True, slots=True)
class Resolved:
    """A plugin with complete options."""

    hosted: Hosted
    options: Options
    ref: pb.EnvironmentRef

    def same_as(self, other: "Resolved") -> bool:
        return self.hosted is other.hosted and self.options == other.options


class Catalog:
    """Plugins by name. One that is malformed is shown as broken and hurts nobody else."""

    def __init__(self, loaded: plugins.Loaded, config: EnvironmentConfig, pools: Pools) -> None:
        self._loaded = loaded
        self._config, self._pools = config, pools
        self._resolved: dict[bytes, Resolved] = {}
        self.hosted = loaded.admitted(self._host)

    @property
    def broken(self) -> Mapping[str, str]:
        return self._loaded.broken

    def _host(self, name: str, plugin: plugins.Plugin) -> Hosted:
        check(name, plugin.cls)
        config = self._config
        cls: type[Environment] = plugin.cls
        rules = Rules(frozenset(cls.modalities), config.max_observation_bytes, config.max_facts_bytes)
        executor: str = config.executors.get(cls.name, cls.executor)
        info = _info(cls, plugin.distribution, executor)
        return Hosted(
            kind="environment", cls=cls, executor=executor, rules=rules, meters=Meters(cls.name), info=info
        )

    async def resolve(self, ref: pb.EnvironmentRef) -> Resolved:
        """The plugin, and the options laid over the variant's and validated."""
        key = ref.SerializeToString(deterministic=True)
        if key not in self._resolved:
            resolved = await self._resolve(ref)
            if len(self._resolved) >= REMEMBERED:
                self._resolved.clear()
            self._resolved[key] = resolved
        return self._resolved[key]

    async def _resolve(self, ref: pb.EnvironmentRef) -> Resolved:
        if not ref.name:
            raise InvalidArgument("environment.name is empty: name one of " + ", ".join(self.hosted))
        self._loaded.get(ref.name)
        hosted = self.hosted[ref.name]
        hosted.check_version(ref.version)
        given = {**_variant_options(hosted, ref.variant), **struct_to_dict(ref.options)}
        options = await hosted.options(given, self._pools, self._config.start_timeout_seconds)
        complete = struct_from(options.model_dump(mode="json", round_trip=True))
        exact = pb.EnvironmentRef(
            name=ref.name, version=hosted.cls.version, variant=ref.variant, options=complete
        )
        return Resolved(hosted, options, exact)


def check(name: str, cls: Any) -> None:
    """Raises TypeError for a class that cannot be hosted, with the reason."""
    plugins.check_class(name, cls, Environment, EXECUTORS)
    if not cls.modalities <= {"text", "image"}:
        raise TypeError(f"{cls.__name__}.modalities is {sorted(cls.modalities)}; known are image, text")
    if issubclass(cls, BatchedEnvironment) and (not isinstance(cls.slots, int) or cls.slots < 1):
        raise TypeError(f"{cls.__name__}.slots is {cls.slots!r}: an object holds at least one session")


def _variant_options(hosted: Hosted, variant: str) -> Mapping[str, Any]:
    if not variant:
        return {}
    if variant not in hosted.cls.variants:
        known = ", ".join(hosted.cls.variants) or "none"
        raise NotFound(f"environment '{hosted.name}' has no variant '{variant}'; it has: {known}")
    return _as_written(hosted.cls.variants[variant].options)


def _as_written(options: Mapping[str, Any]) -> dict[str, Any]:
    """A variant's options as a run config would write them: enums and models as their values."""
    return to_jsonable_python(dict(options))


def _info(cls: type[Environment], distribution: str, executor: str) -> pb.EnvironmentInfo:
    variants = [
        pb.Variant(
            name=name, role=one.role, summary=one.summary, options=struct_from(_as_written(one.options))
        )
        for name, one in cls.variants.items()
    ]
    return pb.EnvironmentInfo(
        name=cls.name,
        version=cls.version,
        distribution=distribution,
        summary=(cls.__doc__ or "").strip().partition("\n")[0],
        variants=variants,
        options_schema_json=json.dumps(cls.Options.model_json_schema(), sort_keys=True),
        modalities=sorted(cls.modalities),
        demonstration_styles=cls.demonstration_styles,
        executor=executor,
        slots=cls.slots if issubclass(cls, BatchedEnvironment) else 1,
    )
