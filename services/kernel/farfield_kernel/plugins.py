"""Plugins by entry point. An unknown name and a broken plugin are different errors."""

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from farfield_kernel.errors import NotFound, PluginFailure

log = logging.getLogger(__name__)


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

    def get(self, name: str) -> Plugin:
        if name in self.plugins:
            return self.plugins[name]
        if name in self.broken:
            raise PluginFailure(f"plugin '{name}' is installed but broken: {self.broken[name]}")
        installed = ", ".join(sorted(self.plugins)) or "none"
        raise NotFound(f"no plugin '{name}' in {self.group}; installed: {installed}")


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
