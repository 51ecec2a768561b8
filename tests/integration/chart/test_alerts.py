"""The alerts: their metrics are those that the services export, and promtool takes them."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from farfield_kernel import metrics

sys.path.insert(0, str(Path(__file__).parent))

from rendering import Object, named

METERED = ("environment", "verifier", "policy", "rollout")


def test_alerts_name_metrics_that_services_export(demo: list[Object]) -> None:
    for service in METERED:
        importlib.import_module(f"farfield_{service}.meters")
    exported = {
        name for family in metrics.REGISTRY.collect() for name in (family.name, f"{family.name}_total")
    }
    text = yaml.safe_dump(named(demo, "PrometheusRule", "rl"))
    asked = set(re.findall(r"farfield_\w+(?=\{)", text))
    assert len(asked) >= 5
    assert asked <= exported


def test_promtool_takes_the_alerts(demo: list[Object], tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: it is part of Prometheus")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(named(demo, "PrometheusRule", "rl")["spec"]))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_pod_with_metrics_is_scraped(demo: list[Object]) -> None:
    spec = named(demo, "PodMonitor", "rl")["spec"]
    assert [one["port"] for one in spec["podMetricsEndpoints"]] == ["metrics"]
    assert spec["podTargetLabels"] == ["farfield.dev/kind", "farfield.dev/name"]
