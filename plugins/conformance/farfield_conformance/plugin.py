"""Classes of plugins that are installed here."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

ENVIRONMENTS = "farfield.environments"
VERIFIERS = "farfield.verifiers"


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry point, and what it gave: a class, or an error."""

    name: str
    distribution: str
    cls: Any = None
    error: str = ""


def installed(group: str, name: str) -> Installed | None:
    """The plugin of that name; None where there is none."""
    for point in entry_points(group=group, name=name):
        return load(point)
    return None


def load(point: EntryPoint) -> Installed:
    """Imports it, whatever comes of that."""
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    try:
        return Installed(point.name, distribution, point.load())
    except Exception as error:  # an import may raise anything
        return Installed(point.name, distribution, error=f"{type(error).__name__}: {error}")
