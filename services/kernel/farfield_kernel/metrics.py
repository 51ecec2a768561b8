"""Prometheus metrics on one registry. Every name starts with `farfield_`."""

from collections.abc import Sequence
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REGISTRY = CollectorRegistry()
_made: dict[str, Any] = {}

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

M = TypeVar("M", Counter, Gauge, Histogram)


def _make(kind: type[M], name: str, text: str, labels: Sequence[str], **options: Any) -> M:
    full = f"farfield_{name}"
    if full not in _made:
        _made[full] = kind(full, text, labels, registry=REGISTRY, **options)
    return _made[full]


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
