"""Metrics on one registry."""

import urllib.request

from farfield_kernel import metrics


def test_metrics_are_prefixed_and_made_once() -> None:
    first = metrics.counter("test_total", "Tests.", ("kind",))
    assert metrics.counter("test_total", "Tests.", ("kind",)) is first
    first.labels("unit").inc()
    assert metrics.REGISTRY.get_sample_value("farfield_test_total", {"kind": "unit"}) == 1


def test_what_is_made_is_described() -> None:
    metrics.gauge("test_described", "Described.", ("kind",))
    found = {one.name: one for one in metrics.described()}
    assert found["farfield_test_described"] == metrics.Described(
        "farfield_test_described", "gauge", "Described.", ("kind",)
    )


def test_every_kind_can_be_made() -> None:
    metrics.gauge("test_depth", "Depth.").set(3)
    metrics.histogram("test_seconds", "Seconds.").observe(0.01)
    assert metrics.REGISTRY.get_sample_value("farfield_test_depth") == 3
    assert metrics.REGISTRY.get_sample_value("farfield_test_seconds_bucket", {"le": "0.01"}) == 1


def test_the_page_is_served() -> None:
    metrics.gauge("test_served", "Served.").set(1)
    port = metrics.expose(0)
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert "farfield_test_served 1.0" in page
    assert "process_resident_memory_bytes" in page
