"""The chart's alerts are those of `alerts.yaml`, which tests/integration/monitoring tries."""

import copy
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO, NAMESPACE, Object, named, template


def test_the_alerts_are_those_of_the_file_in_the_releases_namespace(demo: list[Object]) -> None:
    text = (CHART / "alerts.yaml").read_text()
    assert text.count('namespace=~".*"') > 30
    here = text.replace('namespace=~".*"', f'namespace="{NAMESPACE}"')
    assert named(demo, "PrometheusRule", "rl")["spec"] == yaml.safe_load(here)


def test_alerts_link_to_the_runbook_where_it_is_said(helm: str, demo: list[Object]) -> None:
    page = "https://wiki.example/operations"
    linked = named(
        template(helm, DEMO, "--set", f"monitoring.rules.runbookUrl={page}"), "PrometheusRule", "rl"
    )
    expected = copy.deepcopy(named(demo, "PrometheusRule", "rl"))
    for group in expected["spec"]["groups"]:
        for rule in group["rules"]:
            rule["annotations"]["runbook_url"] = f"{page}#alerts"
    assert linked == expected


def test_every_pod_with_metrics_is_scraped(demo: list[Object]) -> None:
    spec = named(demo, "PodMonitor", "rl")["spec"]
    assert [one["port"] for one in spec["podMetricsEndpoints"]] == ["metrics"]
    assert spec["podTargetLabels"] == ["farfield.dev/kind", "farfield.dev/name"]
