"""Plugins by entry point. An unknown name and a broken plugin are different errors."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from farfield_kernel.errors import NotFound, PluginFailure

log = logging.getLogger(__name__)
Hosted = TypeVar("Hosted")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A loaded class and the distribution that it came from, as ``name==version``."""

    cls: type
    distribution: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a group's entry points gave: plugins by name, and the errors of those that are broken."""

    group: str
    plugins: dict[str, Plugin]
    broken: dict[str, str]

    def admitted(self, host: Callable[[str, Plugin], Hosted]) -> dict[str, Hosted]:
        """What `host` makes of each plugin, by name. One that it refuses becomes a broken one, with its
        error, and hurts nobody else."""
        hosted: dict[str, Hosted] = {}
        for name, plugin in sorted(self.plugins.items()):
            try:
                hosted[name] = host(name, plugin)
            except Exception as error:  # a plugin's attributes may be anything
                log.exception("plugin %s of %s cannot be hosted", name, self.group)
                self.broken[name] = f"{type(error).__name__}: {error}"
                del self.plugins[name]
        return hosted

    def get(self, name: str) -> Plugin:
        if name in self.plugins:
            return self.plugins[name]
        if name in self.broken:
            raise PluginFailure(f"plugin '{name}' is installed but broken: {self.broken[name]}")
        installed = ", ".join(sorted(self.plugins)) or "none"
        raise NotFound(f"no plugin '{name}' in {self.group}; installed: {installed}")


def check_class(name: str, cls: Any, base: type, executors: Collection[str]) -> None:
    """Raises TypeError for a class that is no plugin of the kind `base`, with the reason."""
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise TypeError(f"{cls!r} is no subclass of farfield_sdk.{base.__name__}")
    missing = [field for field in ("name", "version", "Options") if not hasattr(cls, field)]
    if missing:
        raise TypeError(f"{cls.__name__} lacks the class attributes {', '.join(missing)}")
    plugin: Any = cls
    if plugin.name != name:
        raise TypeError(f"{cls.__name__}.name is '{plugin.name}' but its entry point is '{name}'")
    if plugin.executor not in executors:
        known = ", ".join(executors)
        raise TypeError(f"{cls.__name__}.executor is '{plugin.executor}'; known are {known}")


def load(group: str, only: tuple[str, ...] = ()) -> Loaded:
    """Loads every entry point of `group` (or `only` the named ones, which must be installed). A plugin that
    fails to import is recorded with its own error and hurts nobody else."""
    loaded = Loaded(group, {}, {})
    points = entry_points(group=group)
    if missing := sorted(set(only) - points.names):
        installed = ", ".join(sorted(points.names)) or "none"
        raise NotFound(f"no plugin {', '.join(missing)} in {group}; installed: {installed}")
    for point in points:
        if only and point.name not in only:
            continue
        try:
            loaded.plugins[point.name] = Plugin(point.load(), _distribution(point))
        except Exception as error:  # a plugin's import may raise anything
            log.exception("plugin %s of %s does not load", point.name, group)
            loaded.broken[point.name] = f"{type(error).__name__}: {error}"
    return loaded


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name}=={point.dist.version}" if point.dist else "unknown"
