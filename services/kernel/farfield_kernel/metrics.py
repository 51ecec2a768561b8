"""Prometheus metrics on one registry. Every name starts with `farfield_`. Labels have few values: plugins,
runs, outcomes; never episodes or sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Buckets of calls."""
LONG_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Buckets of what may take minutes: responses of large models, loading, training."""
POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Buckets of the sizes of batches."""

M = TypeVar("M", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Described:
    """What a metric's page says. `kind`: counter, gauge or histogram."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


_made: dict[str, tuple[Described, Any]] = {}


def described() -> list[Described]:
    """Every metric that the imported modules have made, by name."""
    return sorted((description for description, _ in _made.values()), key=lambda one: one.name)


def _make(kind: type[M], name: str, text: str, labels: Sequence[str], **options: Any) -> M:
    full = f"farfield_{name}"
    if full not in _made:
        description = Described(full, kind.__name__.lower(), text, tuple(labels))
        _made[full] = description, kind(full, text, labels, registry=REGISTRY, **options)
    return _made[full][1]


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    return _make(Counter, name, text, labels)


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    return _make(Gauge, name, text, labels)


def histogram(
    name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
) -> Histogram:
    return _make(Histogram, name, text, labels, buckets=buckets)


def expose(port: int, host: str = "127.0.0.1") -> int:
    """Serves `/metrics`; port 0 takes a free one. Returns the port."""
    server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    return server.server_port
