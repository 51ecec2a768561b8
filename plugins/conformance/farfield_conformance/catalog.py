"""All checks, in the order of their levels: those of this package, and those that others bring."""

import importlib
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from types import ModuleType

from farfield_conformance.check import Check, Level

GROUP = "farfield.conformance_checks"
"""An entry point of this group names a module whose checks are run with these."""

_MODULES = (
    "environment.static",
    "environment.starting",
    "environment.api",
    "environment.requests",
    "environment.turns",
    "environment.many",
    "environment.lifetimes",
    "environment.repeating",
    "environment.winning",
    "environment.earning",
    "environment.load",
    "verifier.static",
    "verifier.api",
    "verifier.calls",
    "verifier.semantics",
)


def checks(kind: str, levels: Iterable[Level] = tuple(Level)) -> list[Check]:
    """Those of one kind, "environment" or "verifier", of these levels."""
    wanted = set(levels)
    found = [one for one in _all() if one.kind == kind and one.level in wanted]
    return sorted(found, key=lambda one: list(Level).index(one.level))


def of_module(module: ModuleType) -> list[Check]:
    """The checks that a module defines, in its order."""
    return [value for value in vars(module).values() if isinstance(value, Check)]


def _all() -> Sequence[Check]:
    own = [importlib.import_module(f"farfield_conformance.{name}") for name in _MODULES]
    brought = [point.load() for point in sorted(entry_points(group=GROUP), key=lambda one: one.name)]
    return [check for module in [*own, *brought] for check in of_module(module)]
