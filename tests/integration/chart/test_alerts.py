"""The alerts: their metrics are those that the services export, and promtool takes them."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from farfield_kernel import metrics

sys.path.insert(0, str(Path(__file__).parent))

from rendering import Object, named

Promtool = Callable[..., str]

CASES = {
    "FarfieldPodDown": {"up{namespace='train', farfield_dev_kind='policy'}": "0x60"},
    "FarfieldEpisodesFail": {
        "farfield_rollout_failures_total{namespace='train', failure='env_fault'}": "0+6x60",
        "farfield_rollout_episodes_total{namespace='train'}": "0+60x60",
    },
    "FarfieldNothingCommitted": {
        "farfield_rollout_episodes_in_flight{namespace='train'}": "64x60",
        "farfield_rollout_episodes_total{namespace='train'}": "1000x60",
    },
    "FarfieldEnvironmentFails": {
        "farfield_environment_failures_total{namespace='train', plugin='game', kind='raised'}": "0+1x60"
    },
    "FarfieldVerifierFails": {
        "farfield_verifier_failures_total{namespace='train', plugin='judge', kind='hung'}": "0+1x60"
    },
    "FarfieldTornWeights": {"farfield_policy_torn_weights_total{namespace='train'}": "0+1x60"},
}
"""Series by the minute, after which the alert fires, and no other."""

HEALTHY = {
    "up{namespace='train', farfield_dev_kind='policy'}": "1x60",
    "farfield_rollout_failures_total{namespace='train', failure='env_fault'}": "0+1x60",
    "farfield_rollout_episodes_total{namespace='train'}": "0+60x60",
    "farfield_rollout_episodes_in_flight{namespace='train'}": "64x60",
    "farfield_environment_failures_total{namespace='train', plugin='game', kind='raised'}": "5x60",
    "farfield_policy_torn_weights_total{namespace='train'}": "2x60",
    "up{namespace='other', farfield_dev_kind='policy'}": "0x60",
}
"""Series by the minute, after which no alert fires."""

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


@pytest.fixture
def promtool(demo: list[Object], tmp_path: Path) -> Promtool:
    """Runs promtool in a folder with the rules in `rules.yaml`."""
    binary = shutil.which("promtool")
    if binary is None:
        pytest.skip("no promtool: it is part of Prometheus")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(named(demo, "PrometheusRule", "rl")["spec"]))

    def run(*words: str, **files: object) -> str:
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
        done = subprocess.run([binary, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_promtool_takes_the_alerts(promtool: Promtool) -> None:
    assert f"{len(CASES)} rules found" in promtool("check", "rules", "rules.yaml")


@pytest.mark.parametrize("alert", [*CASES, ""])
def test_an_alert_fires_for_its_own_trouble_alone(promtool: Promtool, alert: str) -> None:
    series = CASES[alert] if alert else HEALTHY
    firing = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    question = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "50m",
        "exp_samples": firing,
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [question],
    }
    promtool(
        "test",
        "rules",
        "case.yaml",
        case={"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]},
    )


def test_every_pod_with_metrics_is_scraped(demo: list[Object]) -> None:
    spec = named(demo, "PodMonitor", "rl")["spec"]
    assert [one["port"] for one in spec["podMetricsEndpoints"]] == ["metrics"]
    assert spec["podTargetLabels"] == ["farfield.dev/kind", "farfield.dev/name"]
