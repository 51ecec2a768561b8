"""The metrics that the services export: every module that makes some is imported, and the registry asked."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from farfield_kernel import metrics

SERVICES = Path(__file__).resolve().parents[2] / "services"
OWNERS = {"rpc": "every service", "queue": "trainer", "discovery": "rollout and trainer"}
"""Who exports a family of metrics that is not called after its service."""

_MAKES = re.compile(r"\bmetrics\.(counter|gauge|histogram)\(")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def exported() -> list[metrics.Described]:
    for name in _modules():
        importlib.import_module(name)
    return metrics.described()


def _modules() -> Iterator[str]:
    for path in sorted(SERVICES.glob("*/farfield_*/**/*.py")):
        if _MAKES.search(path.read_text()):
            parts = path.relative_to(SERVICES).with_suffix("").parts[1:]
            yield ".".join(parts)


def owner(metric: metrics.Described) -> str:
    """The service that exports a metric, by the first word of its name."""
    family = metric.name.split("_")[1]
    return OWNERS.get(family, family)


def series() -> dict[str, set[str]]:
    """The labels of every series that can be asked for, by its name."""
    found: dict[str, set[str]] = {}
    for metric in exported():
        labels = set(metric.labels)
        for suffix in _SUFFIXES.get(metric.kind, ("",)):
            found[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found
