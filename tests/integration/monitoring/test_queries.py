"""Every query of the alerts and dashboards parses, and asks for series and labels that exist."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "helm" / "monitoring"))

from exported import OWNERS, SERVICES, exported, owner, series
from page import rules

HELM = Path(__file__).parents[3] / "helm"
promql = pytest.importorskip(
    "promql_parser", reason="no promql-parser: pip install -r helm/monitoring/requirements.txt"
)

TARGET = {"namespace", "pod", "job", "instance", "farfield_dev_kind", "farfield_dev_name"}
"""Labels that Prometheus adds to whatever a pod exports."""

STANDARD = {
    "up": set(),
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
    "process_open_fds": set(),
}


def _dashboards() -> Iterator[tuple[str, str]]:
    for path in sorted((HELM / "farfield" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']} {target['refId']}", target["expr"]


QUERIES = [*((rule["alert"], rule["expr"]) for rule in rules()), *_dashboards()]


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    return series() | STANDARD


@pytest.fixture(params=QUERIES, ids=lambda query: query[0])
def query(request: pytest.FixtureRequest) -> Any:
    text = request.param[1].replace("$__rate_interval", "5m")
    return promql.parse(text)


def parts(query: Any, *kinds: str) -> list[Any]:
    found: list[Any] = []
    promql.walk(query, lambda part: found.append(part) if type(part).__name__ in kinds else None)
    return found


def labels_of(query: Any, known: dict[str, set[str]]) -> set[str]:
    """Of all series in a part of a query."""
    return TARGET.union(*(known[part.name] for part in parts(query, "VectorSelector")))


def test_it_asks_for_what_is_exported(query: Any, known: dict[str, set[str]]) -> None:
    for selector in parts(query, "VectorSelector"):
        assert selector.name in known
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known[selector.name] | TARGET
        assert "namespace" in asked


def test_it_sums_and_joins_by_labels_that_are_there(query: Any, known: dict[str, set[str]]) -> None:
    for part in parts(query, "AggregateExpr"):
        assert part.modifier is None or set(part.modifier.labels) <= labels_of(part, known)
    for part in parts(query, "BinaryExpr"):
        if part.modifier is not None and part.modifier.matching is not None:
            assert set(part.modifier.matching.labels) <= labels_of(part, known)


def test_there_are_queries_of_both_kinds() -> None:
    assert len(QUERIES) > 90


def test_metrics_are_called_after_their_service() -> None:
    services = {path.name for path in SERVICES.iterdir()} | set(OWNERS.values())
    ours = [metric for metric in exported() if not metric.name.startswith("farfield_test_")]
    assert len(ours) > 80
    assert {owner(metric) for metric in ours} <= services


def test_no_metric_has_a_label_without_bound() -> None:
    labels = {label for metric in exported() for label in metric.labels}
    assert not labels & {"episode", "episode_id", "session", "session_id", "request_id", "trace_id", "digest"}
