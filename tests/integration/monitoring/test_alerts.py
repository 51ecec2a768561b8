"""Every alert fires for its own trouble alone, as promtool sees it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[3] / "helm" / "monitoring"))

from page import ALERTS, rules

Promtool = Callable[..., str]

ONE = "namespace='train'"
RUN = f"{ONE}, run='r'"
LANE = f"{ONE}, lane='default'"

TROUBLE = {
    "FarfieldPodDown": {f"up{{{ONE}, farfield_dev_kind='policy'}}": "0x120"},
    "FarfieldCallsFail": {
        f"farfield_rpc_total{{{ONE}, method='/Step', code='INTERNAL'}}": "0+6x120",
        f"farfield_rpc_total{{{ONE}, method='/Step', code='OK'}}": "0+60x120",
    },
    "FarfieldEpisodesFail": {
        f"farfield_rollout_failures_total{{{ONE}, failure='environment'}}": "0+6x120",
        f"farfield_rollout_episodes_total{{{ONE}, outcome='failed'}}": "0+60x120",
    },
    "FarfieldNothingCommitted": {
        f"farfield_rollout_episodes_in_flight{{{ONE}}}": "64x120",
        f"farfield_rollout_episodes_total{{{ONE}, outcome='solved'}}": "1000x120",
    },
    "FarfieldNobodyPlays": {
        f"farfield_queue_episodes{{{LANE}, state='queued'}}": "128x120",
        f"farfield_queue_episodes{{{LANE}, state='claimed'}}": "0x120",
    },
    "FarfieldQueueOld": {f"farfield_queue_oldest_seconds{{{LANE}}}": "0+60x120"},
    "FarfieldRetries": {
        f"farfield_rollout_retries_total{{{ONE}, stage='verify', error='Unavailable'}}": "0+60x120",
        f"farfield_rollout_turns_total{{{ONE}}}": "0x120",
    },
    "FarfieldServiceSilent": {
        f"farfield_discovery_service_answers{{{ONE}, kind='verifier', service='judge'}}": "0x120"
    },
    "FarfieldEnvironmentFails": {
        f"farfield_environment_failures_total{{{ONE}, plugin='game', kind='raised'}}": "0+1x120"
    },
    "FarfieldRestoresFail": {
        f"farfield_environment_restores_total{{{ONE}, plugin='game', result='failed'}}": "0+1x120"
    },
    "FarfieldVerifierFails": {
        f"farfield_verifier_failures_total{{{ONE}, plugin='judge', kind='timeout'}}": "0+1x120"
    },
    "FarfieldRunFailed": {
        f"farfield_trainer_runs_ended_total{{{ONE}, state='failed'}}": "0x95 1x25",
    },
    "FarfieldTrainerStalled": {
        f"farfield_trainer_last_report_timestamp_seconds{{{RUN}}}": "600x120",
        f"farfield_trainer_run_active{{{RUN}}}": "1x120",
    },
    "FarfieldStaleTokens": {
        f"farfield_trainer_staleness_max{{{RUN}}}": "2x120",
        f"farfield_trainer_staleness_bound{{{RUN}}}": "1x120",
    },
    "FarfieldNotFinite": {f"farfield_trainer_nonfinite_total{{{ONE}, what='step'}}": "0x95 1x25"},
    "FarfieldKlExplodes": {f"farfield_trainer_kl{{{RUN}}}": "3x120"},
    "FarfieldMismatchExplodes": {f"farfield_trainer_mismatch_k3{{{RUN}}}": "0.4x120"},
    "FarfieldClipping": {f"farfield_trainer_clip_fraction{{{RUN}}}": "0.7x120"},
    "FarfieldEntropyCollapsed": {f"farfield_trainer_entropy{{{RUN}}}": "0.001x120"},
    "FarfieldTornWeights": {f"farfield_policy_torn_weights_total{{{ONE}, pod='a'}}": "0+1x120"},
    "FarfieldWeightsDiverge": {
        f"farfield_policy_weight_version{{{RUN}, pod='a'}}": "0+1x120",
        f"farfield_policy_weight_version{{{RUN}, pod='b'}}": "7x120",
    },
    "FarfieldWeightsBehind": {
        f"farfield_trainer_weight_version{{{RUN}}}": "9x120",
        f"farfield_trainer_staleness_bound{{{RUN}}}": "1x120",
        f"farfield_policy_weight_version{{{RUN}, pod='a'}}": "6x120",
    },
    "FarfieldResponsesCutOff": {
        f"farfield_policy_responses_total{{{ONE}, reason='length'}}": "0+60x120",
        f"farfield_policy_responses_total{{{ONE}, reason='stop_token'}}": "0+20x120",
    },
    "FarfieldQueueAway": {f"farfield_queue_up{{{LANE}}}": "1x90 0x30"},
    "FarfieldQueueNearlyFull": {
        f"farfield_queue_memory_bytes{{{LANE}}}": "900x120",
        f"farfield_queue_memory_limit_bytes{{{LANE}}}": "1000x120",
    },
    "FarfieldQueueEvicts": {f"farfield_queue_evicted_keys{{{LANE}}}": "0+1x120"},
}
"""Series by the minute, after which the alert fires, and no other."""

HEALTHY = {
    f"up{{{ONE}, farfield_dev_kind='policy'}}": "1x120",
    "up{namespace='train', job='of somebody else'}": "0x120",
    f"farfield_rpc_total{{{ONE}, method='/Step', code='INTERNAL'}}": "0+1x120",
    f"farfield_rpc_total{{{ONE}, method='/Step', code='RESOURCE_EXHAUSTED'}}": "0+60x120",
    f"farfield_rpc_total{{{ONE}, method='/Step', code='OK'}}": "0+60x120",
    f"farfield_rollout_failures_total{{{ONE}, failure='environment'}}": "0+1x120",
    f"farfield_rollout_episodes_total{{{ONE}, outcome='solved'}}": "0+60x120",
    f"farfield_rollout_episodes_in_flight{{{ONE}}}": "64x120",
    f"farfield_rollout_retries_total{{{ONE}, stage='generate', error='FailedPrecondition'}}": "0+60x120",
    f"farfield_rollout_turns_total{{{ONE}}}": "0+240x120",
    f"farfield_queue_episodes{{{LANE}, state='queued'}}": "64x120",
    f"farfield_queue_episodes{{{LANE}, state='claimed'}}": "64x120",
    f"farfield_queue_episodes{{{ONE}, lane='idle', state='queued'}}": "0x120",
    f"farfield_queue_episodes{{{ONE}, lane='idle', state='claimed'}}": "0x120",
    f"farfield_queue_oldest_seconds{{{LANE}}}": "900x120",
    f"farfield_discovery_service_answers{{{ONE}, kind='verifier', service='judge'}}": "1x120",
    f"farfield_environment_failures_total{{{ONE}, plugin='game', kind='raised'}}": "5x120",
    f"farfield_environment_restores_total{{{ONE}, plugin='game', result='failed'}}": "5x120",
    f"farfield_environment_restores_total{{{ONE}, plugin='game', result='ok'}}": "0+1x120",
    f"farfield_verifier_failures_total{{{ONE}, plugin='judge', kind='raised'}}": "5x120",
    f"farfield_trainer_runs_ended_total{{{ONE}, state='failed'}}": "1x120",
    f"farfield_trainer_runs_ended_total{{{ONE}, state='succeeded'}}": "0+1x120",
    f"farfield_trainer_last_report_timestamp_seconds{{{RUN}}}": "0+60x120",
    f"farfield_trainer_run_active{{{RUN}}}": "1x120",
    f"farfield_trainer_last_report_timestamp_seconds{{{ONE}, run='paused'}}": "0x120",
    f"farfield_trainer_run_active{{{ONE}, run='paused'}}": "0x120",
    f"farfield_trainer_staleness_max{{{RUN}}}": "1x120",
    f"farfield_trainer_staleness_bound{{{RUN}}}": "1x120",
    f"farfield_trainer_nonfinite_total{{{ONE}, what='step'}}": "3x120",
    f"farfield_trainer_kl{{{RUN}}}": "0.05x120",
    f"farfield_trainer_mismatch_k3{{{RUN}}}": "0.01x120",
    f"farfield_trainer_clip_fraction{{{RUN}}}": "0.2x120",
    f"farfield_trainer_entropy{{{RUN}}}": "0.4x120",
    f"farfield_trainer_weight_version{{{RUN}}}": "0+1x120",
    f"farfield_policy_weight_version{{{RUN}, pod='a'}}": "0+1x120",
    f"farfield_policy_weight_version{{{RUN}, pod='b'}}": "-1+1x120",
    f"farfield_policy_torn_weights_total{{{ONE}, pod='a'}}": "2x120",
    f"farfield_policy_responses_total{{{ONE}, reason='length'}}": "0+10x120",
    f"farfield_policy_responses_total{{{ONE}, reason='stop_token'}}": "0+60x120",
    f"farfield_queue_up{{{LANE}}}": "1x120",
    f"farfield_queue_memory_bytes{{{LANE}}}": "700x120",
    f"farfield_queue_memory_limit_bytes{{{LANE}}}": "1000x120",
    f"farfield_queue_memory_bytes{{{ONE}, lane='without limit'}}": "700x120",
    f"farfield_queue_memory_limit_bytes{{{ONE}, lane='without limit'}}": "0x120",
    f"farfield_queue_evicted_keys{{{LANE}}}": "4x120",
}
"""Series by the minute, after which no alert fires."""


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Runs promtool in a folder with the rules in `alerts.yaml`."""
    binary = shutil.which("promtool")
    if binary is None:
        pytest.skip("no promtool: it is part of Prometheus")
    shutil.copy(ALERTS, tmp_path)

    def run(*words: str, **files: object) -> str:
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
        done = subprocess.run([binary, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_promtool_takes_the_rules(promtool: Promtool) -> None:
    assert f"{len(TROUBLE)} rules found" in promtool("check", "rules", "alerts.yaml")


def test_every_alert_is_tried() -> None:
    assert TROUBLE.keys() == {rule["alert"] for rule in rules()}


def test_what_every_alert_asks_for_is_there_when_none_fires() -> None:
    asked = {name for rule in rules() for name in re.findall(r"(\w+)\{", rule["expr"])}
    assert asked == {name.partition("{")[0] for name in HEALTHY}


@pytest.mark.parametrize("alert", [*TROUBLE, ""])
def test_an_alert_fires_for_its_own_trouble_alone(promtool: Promtool, alert: str) -> None:
    series = TROUBLE[alert] if alert else HEALTHY
    firing = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    question = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "100m",
        "exp_samples": firing,
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [question],
    }
    tests = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": [case]}
    promtool("test", "rules", "case.yaml", case=tests)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description"} <= rule["annotations"].keys()
    assert all(text.endswith((".", "?")) for text in rule["annotations"].values())


def test_promtool_takes_the_configuration_of_the_page(promtool: Promtool) -> None:
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    (block,) = (text for text in re.findall(r"```yaml\n(.*?)```", page, re.S) if "scrape_configs" in text)
    config = yaml.safe_load(block)
    assert config["scrape_configs"][0].pop("kubernetes_sd_configs")  # Debian builds Prometheus without it
    promtool("check", "config", "prometheus.yaml", prometheus=config)
