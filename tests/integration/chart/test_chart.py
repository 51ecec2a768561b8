"""What Helm makes of the chart: objects that are valid, fit together and are no more open than they say."""

import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_environment.config import EnvironmentConfig
from farfield_kernel.config import load, parse
from farfield_kernel.healthcheck import HealthcheckConfig
from farfield_policy.config import PolicyConfig
from farfield_rollout.config import RolloutConfig
from farfield_trainer.config import TrainerConfig
from farfield_verifier.config import VerifierConfig

sys.path.insert(0, str(Path(__file__).parent))

from rendering import (
    CHART,
    DEMO,
    ROOT,
    WORKLOADS,
    Object,
    config,
    labels,
    named,
    of,
    pods,
    run,
    selected,
    template,
)

CONFIGS: dict[str, Any] = {
    "environment": EnvironmentConfig,
    "verifier": VerifierConfig,
    "policy": PolicyConfig,
    "rollout": RolloutConfig,
    "trainer": TrainerConfig,
}
GIVEN = {"farfield-models", "models", "my-redis", "my-redis-ca", "judge"}
"""What the values files of ci/ say is there already."""


def test_lint_finds_nothing(helm: str, values: Path) -> None:
    done = run(helm, "lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.34", "1.37"])
def test_every_object_is_what_kubernetes_knows(objects: list[Object], version: str) -> None:
    reason = "strict schemas: .venv/bin/pip install kubernetes-validate==1.37.0"
    kubernetes = pytest.importorskip("kubernetes_validate", reason=reason)
    for one in objects:
        if "monitoring.coreos.com" not in one["apiVersion"]:
            kubernetes.validate(one, version, strict=True)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("policy.replcas=3", "replcas"),
        ("environments[0].name=a,environments[0].imgae.tag=1", "imgae"),
        ("common.probes.period=3", "period"),
        ("policy.engine=vllm", "policy"),
        ("trainer.replicas=2", "replicas"),
        ("redis.mode=sentinel", "mode"),
        ("common.port=high", "port"),
        ("environments[0].name=Upper,environments[0].image.repository=x", "name"),
    ],
)
def test_a_key_or_value_that_is_not_known_is_refused(helm: str, given: str, told: str) -> None:
    done = run(helm, "template", "rl", str(CHART), "--values", str(DEMO), "--set", given)
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("model.path=", "model.path is empty: name a folder in Hugging Face format"),
        ("redis.mode=external", "redis.existingSecret is empty"),
        ("defaults.verifier=none", "no entry of verifiers is named none; there are: rewards"),
        ("policy.enabled=false", "workers need a policy"),
        (
            "environments=null,verifiers=null,policy.enabled=false,rollout.enabled=false,trainer.enabled=false",
            "nothing to run",
        ),
        ("verifiers=null", "an entry in environments and one in verifiers"),
        ("policy.config.server.port=1", "config.server.port is the chart's: set port"),
        (
            "common.resources=null,rollout.autoscaling.enabled=true",
            "resources.requests.cpu",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_cure(helm: str, given: str, told: str) -> None:
    done = run(helm, "template", "rl", str(CHART), "--values", str(DEMO), "--set", given)
    assert done.returncode != 0
    assert told in done.stderr


def test_an_entry_without_an_image_is_refused(helm: str) -> None:
    given = ("--set-json", 'environments=[{"name": "mine"}]')
    done = run(helm, "template", "rl", str(CHART), "--values", str(DEMO), *given)
    assert done.returncode != 0
    assert "environments: mine has no image; set image.repository" in done.stderr


@pytest.mark.parametrize("twice", ["name", "plugin"])
def test_entries_that_cannot_be_told_apart_are_refused(helm: str, tmp_path: Path, twice: str) -> None:
    image = {"repository": "x"}
    other = (
        {"name": "a", "image": image} if twice == "name" else {"name": "b", "image": image, "plugins": ["a"]}
    )
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"environments": [{"name": "a", "image": image}, other]}))
    done = run(helm, "template", "rl", str(CHART), "--values", str(DEMO), "--values", str(file))
    assert done.returncode != 0
    assert "two entries" in done.stderr


def test_no_two_objects_of_one_name(objects: list[Object]) -> None:
    names = Counter((one["kind"], one["metadata"]["name"]) for one in objects)
    assert max(names.values()) == 1
    assert all(len(name) <= 63 for _, name in names)


def test_long_names_stay_within_what_dns_takes(helm: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    entry = {"name": "e" * 24, "image": {"repository": "x"}}
    file.write_text(yaml.safe_dump({"environments": [entry], "fullnameOverride": "f" * 40}))
    objects = template(helm, DEMO, "--values", str(file))
    assert max(len(one["metadata"]["name"]) for one in objects) == 63


def test_each_selector_finds_its_own_pods_alone(objects: list[Object]) -> None:
    for one in of(objects, *WORKLOADS, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = one["spec"]
        wanted = spec.get("podSelector") or spec["selector"]
        found = selected(objects, wanted.get("matchLabels", wanted))
        assert len(found) == 1, f"{one['kind']} {one['metadata']['name']}"
        assert labels(found[0])["farfield.dev/name"] == labels(one)["farfield.dev/name"]


def test_every_environment_and_verifier_has_a_service_that_names_its_kind(
    objects: list[Object], values: Path
) -> None:
    given = {**yaml.safe_load((CHART / "values.yaml").read_text()), **yaml.safe_load(values.read_text())}
    for kind in ("environment", "verifier"):
        wanted = {entry["name"] for entry in given[f"{kind}s"]}
        services = [one for one in of(objects, "Service") if labels(one)["farfield.dev/kind"] == kind]
        assert {labels(one)["farfield.dev/name"] for one in services} == wanted
        assert all(one["spec"]["clusterIP"] == "None" for one in services)


def test_ports_are_there(objects: list[Object]) -> None:
    for service in of(objects, "Service"):
        container = selected(objects, service["spec"]["selector"])[0]["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe].get("grpc", {}).get("port", ports.get("grpc")) == ports.get("grpc")


def test_what_is_referred_to_is_there(objects: list[Object]) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for kind, name in itertools.chain.from_iterable(map(_references, pods(objects))):
        assert (kind, name) in there or name in GIVEN, f"{kind} {name}"


def _references(pod: Object) -> Iterator[tuple[str, str]]:
    spec = pod["spec"]
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"]
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for variable in itertools.chain.from_iterable(one.get("env", []) for one in spec["containers"]):
        if "valueFrom" in variable:
            yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]


def test_services_accept_the_configuration_that_they_are_given(objects: list[Object]) -> None:
    seen = set()
    for one in of(objects, *WORKLOADS):
        kind = labels(one)["farfield.dev/kind"]
        if kind in CONFIGS:
            parse(CONFIGS[kind], config(objects, one["metadata"]["name"]), kind)
            seen.add(kind)
    assert {"environment", "verifier"} <= seen


def test_workers_know_every_service_where_it_is(demo: list[Object]) -> None:
    told = config(demo, "rl-rollout")
    assert set(told["environments"]) == {"generalpoints", "virl"}
    given = [told["environment"], told["verifier"], told["policy"], *told["environments"].values()]
    known = {
        f"dns:///{one['metadata']['name']}.train.svc.cluster.local:{one['spec']['ports'][0]['port']}"
        for one in of(demo, "Service")
    }
    assert {one["address"] for one in given} <= known


def test_the_hook_asks_every_service_in_words_that_the_command_knows(objects: list[Object]) -> None:
    (pod,) = of(objects, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    asked = {load(HealthcheckConfig, "healthcheck", one["args"]).address for one in pod["spec"]["containers"]}
    services = [one for one in of(objects, "Service") if labels(one)["farfield.dev/kind"] != "redis"]
    assert len(asked) == len(services)
    assert all(any(one["metadata"]["name"] in address for address in asked) for one in services)


def test_a_policy_of_several_replicas_is_reached_by_as_many_streams(helm: str) -> None:
    objects = template(helm, DEMO, "--set", "policy.replicas=3")
    assert config(objects, "rl-rollout")["policy"]["streams"] == 3


def test_the_entry_wins_over_what_is_common(helm: str) -> None:
    objects = template(helm, DEMO, "--set", "common.replicas=5,common.nodeSelector.disk=ssd")
    replicas = {one["metadata"]["name"]: one["spec"].get("replicas") for one in of(objects, *WORKLOADS)}
    assert replicas["rl-environment-generalpoints"] == 2
    assert replicas["rl-verifier-rewards"] == 5
    assert replicas["rl-environment-virl"] is None  # its autoscaler's business
    assert replicas["rl-trainer"] == 1
    assert named(objects, "Deployment", "rl-policy")["spec"]["template"]["spec"]["nodeSelector"] == {
        "disk": "ssd"
    }


def test_pods_are_locked_down(objects: list[Object]) -> None:
    for pod in pods(objects):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_live_longer_than_their_drain(demo: list[Object]) -> None:
    for one in of(demo, *WORKLOADS):
        if labels(one)["farfield.dev/kind"] != "redis":
            drain = config(demo, one["metadata"]["name"])["server"]["drain_seconds"]
            spec = one["spec"]["template"]["spec"]
            pause = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
            assert spec["terminationGracePeriodSeconds"] > drain + pause


def test_every_pod_has_a_network_policy(objects: list[Object]) -> None:
    workloads = {one["metadata"]["name"] for one in of(objects, *WORKLOADS)}
    assert {one["metadata"]["name"] for one in of(objects, "NetworkPolicy")} == workloads
    assert all(one["spec"]["policyTypes"] == ["Ingress", "Egress"] for one in of(objects, "NetworkPolicy"))


def test_environments_and_verifiers_reach_dns_and_what_is_declared(objects: list[Object]) -> None:
    declared = {"web-shop": [443]}
    for one in of(objects, "NetworkPolicy"):
        if labels(one)["farfield.dev/kind"] in ("environment", "verifier"):
            first, *others = one["spec"]["egress"]
            assert {port["port"] for port in first["ports"]} == {53}
            opened = [port["port"] for rule in others for port in rule["ports"]]
            is_environment = labels(one)["farfield.dev/kind"] == "environment"
            assert opened == (declared.get(labels(one)["farfield.dev/name"], []) if is_environment else [])


def test_only_who_queues_reaches_redis(demo: list[Object]) -> None:
    spec = named(demo, "NetworkPolicy", "rl-redis")["spec"]
    (peer,) = spec["ingress"][0]["from"]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["policy", "rollout", "trainer"]
    assert spec["egress"] == []


def test_the_schema_and_the_table_follow_from_the_values() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "helm/generate.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
