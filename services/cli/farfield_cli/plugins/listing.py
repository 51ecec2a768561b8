"""What is installed."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from rich.table import Table
from rich.text import Text

from farfield_conformance import plugin

GROUPS = {"environment": plugin.ENVIRONMENTS, "verifier": plugin.VERIFIERS}


@dataclass(frozen=True, slots=True)
class Listed:
    """A plugin; one that is broken has an error in place of a version."""

    name: str
    kind: str
    version: str
    distribution: str
    error: str


def found() -> list[Listed]:
    """Environments and verifiers by name."""
    listed = [_listed(kind, point) for kind, group in GROUPS.items() for point in entry_points(group=group)]
    return sorted(listed, key=lambda one: (one.name, one.kind))


def version_of(kind: str, name: str) -> str:
    """Of the plugin that is installed here; empty where there is none, or it is broken."""
    found = plugin.installed(GROUPS[kind], name)
    return str(getattr(found.cls, "version", "")) if found else ""


def table(listed: list[Listed]) -> Table:
    shown = Table("plugin", "kind", "version", "distribution", box=None, header_style="bold")
    for one in listed:
        version = Text("broken", style="red") if one.error else Text(one.version)
        shown.add_row(one.name, one.kind, version, one.distribution)
    return shown


def _listed(kind: str, point: EntryPoint) -> Listed:
    loaded = plugin.load(point)
    version = str(getattr(loaded.cls, "version", ""))
    return Listed(loaded.name, kind, version, loaded.distribution, loaded.error)
