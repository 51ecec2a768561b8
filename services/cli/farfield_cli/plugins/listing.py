"""What is installed."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from rich.table import Table
from rich.text import Text

from farfield_conformance import plugin

GROUPS = {"environment": plugin.ENVIRONMENTS, "verifier": plugin.VERIFIERS}


@dataclass(frozen=True, slots=True)
class Listed:
    """A plugin; one that is broken has an error in place of version and summary."""

    name: str
    kind: str
    version: str
    distribution: str
    summary: str
    error: str


def found() -> list[Listed]:
    """Environments and verifiers by name."""
    listed = [_listed(kind, point) for kind, group in GROUPS.items() for point in entry_points(group=group)]
    return sorted(listed, key=lambda one: (one.name, one.kind))


def table(listed: list[Listed]) -> Table:
    """Where it is narrow, the summary alone is cut."""
    shown = Table(box=None, header_style="bold")
    for name in ("name", "kind", "version", "distribution"):
        widest = max(len(getattr(one, name)) for one in listed)
        shown.add_column("plugin" if name == "name" else name, no_wrap=True, min_width=widest)
    shown.add_column("summary", overflow="ellipsis", no_wrap=True)
    for one in listed:
        summary = Text("broken", style="red") if one.error else Text(one.summary)
        shown.add_row(one.name, one.kind, one.version, one.distribution, summary)
    return shown


def _listed(kind: str, point: EntryPoint) -> Listed:
    loaded = plugin.load(point)
    version = str(getattr(loaded.cls, "version", ""))
    summary = (getattr(loaded.cls, "__doc__", "") or "").strip().partition("\n")[0]
    return Listed(loaded.name, kind, version, loaded.distribution, summary, loaded.error)
