"""Objects fit together: what one names, another is."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from farfield_kernel.config import load
from farfield_kernel.healthcheck import HealthcheckConfig

sys.path.insert(0, str(Path(__file__).parent))

from rendering import (
    CHART,
    NAMESPACE,
    WORKLOADS,
    Object,
    config,
    labels,
    made,
    named,
    of,
    pods,
    selected,
    template,
)

GIVEN = {"farfield-models", "models", "my-redis", "my-redis-ca", "judge", "object-store"}
"""What the values files of ci/ say is there already."""

HEALTH = ("python", "-m", "farfield_kernel.healthcheck")


def test_each_selector_finds_its_own_pods_alone(objects: list[Object]) -> None:
    for one in of(objects + made(objects), *WORKLOADS, "Service", "PodDisruptionBudget", "NetworkPolicy"):
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


def test_services_that_are_discovered_have_one_port_or_one_named_grpc(objects: list[Object]) -> None:
    for service in of(objects, "Service"):
        if labels(service)["farfield.dev/kind"] in ("environment", "verifier", "policy", "trainer"):
            names = [port["name"] for port in service["spec"]["ports"]]
            assert names.count("grpc") == 1
        if labels(service)["farfield.dev/kind"] in ("policy", "trainer"):
            assert labels(service)["farfield.dev/lane"] == "default"


def test_ports_are_there(objects: list[Object]) -> None:
    for service in of(objects + made(objects), "Service"):
        container = selected(objects, service["spec"]["selector"])[0]["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


def test_probes_ask_ports_that_are_there(objects: list[Object]) -> None:
    for pod in pods(of(objects, *WORKLOADS)) + pods(made(objects)):
        container = pod["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert len(set(ports.values())) == len(ports)
        assert "readinessProbe" in container
        for probe in (container[key] for key in container if key.endswith("Probe")):
            if "grpc" in probe:
                assert probe["grpc"]["port"] == ports["grpc"]
            elif "httpGet" in probe:
                assert probe["httpGet"]["port"] in ports
            elif asked := health(probe["exec"]["command"]):
                assert asked.address == f"127.0.0.1:{ports['grpc']}"


def health(words: list[str]) -> HealthcheckConfig | None:
    """What our health command is asked, where `words` end in it."""
    for at in range(len(words)):
        if tuple(words[at : at + len(HEALTH)]) == HEALTH:
            return load(HealthcheckConfig, "healthcheck", words[at + len(HEALTH) :])
    return None


def test_what_is_referred_to_is_there(objects: list[Object]) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in objects}
    there |= {("Secret", one["spec"]["secretName"]) for one in of(objects, "Certificate")}
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
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield "Secret", source["secretRef"]["name"]
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]


def test_keys_that_are_read_of_a_secret_of_ours_are_in_it(objects: list[Object]) -> None:
    secrets = {one["metadata"]["name"]: set(one["data"]) for one in of(objects, "Secret")}
    for pod in pods(objects):
        for variable in itertools.chain.from_iterable(
            one.get("env", []) for one in pod["spec"]["containers"]
        ):
            wanted = variable.get("valueFrom", {}).get("secretKeyRef")
            if wanted and wanted["name"] in secrets:
                assert wanted["key"] in secrets[wanted["name"]]


def test_every_mount_has_its_volume_and_every_volume_a_mount(objects: list[Object]) -> None:
    for pod in pods(objects):
        volumes = {one["name"] for one in pod["spec"].get("volumes", [])}
        claims = {"data"} if labels(pod)["farfield.dev/kind"] == "redis" else set()
        mounts = [one for each in pod["spec"]["containers"] for one in each.get("volumeMounts", [])]
        assert {one["name"] for one in mounts} == volumes | claims
        for container in pod["spec"]["containers"]:
            paths = [one["mountPath"] for one in container.get("volumeMounts", [])]
            assert len(set(paths)) == len(paths)


def test_files_that_a_configuration_names_are_mounted(objects: list[Object]) -> None:
    """Certificates, templates and folders of weights, in what our services read."""
    for one in of(objects, *WORKLOADS):
        if labels(one)["farfield.dev/kind"] == "redis":
            continue
        container = one["spec"]["template"]["spec"]["containers"][0]
        mounted = tuple(mount["mountPath"] for mount in container["volumeMounts"])
        for path in _paths(config(objects, one["metadata"]["name"])):
            assert path.startswith(mounted), f"{one['metadata']['name']}: {path}"


def _paths(told: object) -> Iterator[str]:
    if isinstance(told, dict):
        yield from itertools.chain.from_iterable(map(_paths, told.values()))
    elif isinstance(told, str) and told.startswith(("/etc/", "/var/", "/models/")):
        yield told


def test_rights_are_bound_to_accounts_that_are_there(objects: list[Object]) -> None:
    accounts = {one["metadata"]["name"] for one in of(objects, "ServiceAccount")}
    roles = {one["metadata"]["name"] for one in of(objects, "Role")}
    bound = of(objects, "RoleBinding")
    assert {one["roleRef"]["name"] for one in bound} == roles
    for one in bound:
        (subject,) = one["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", NAMESPACE)
        assert subject["name"] in accounts


def test_only_pods_with_rights_have_a_token(objects: list[Object]) -> None:
    entitled = {one["subjects"][0]["name"] for one in of(objects, "RoleBinding")}
    for pod in pods(objects):
        holder = pod["spec"].get("serviceAccountName")
        assert pod["spec"]["automountServiceAccountToken"] is (holder in entitled)


FOLLOW = {"list", "watch"}
MAKE = {"get", "list", "create", "delete"}
RIGHTS = {
    "rl-rollout": {("", "services"): FOLLOW, ("discovery.k8s.io", "endpointslices"): FOLLOW},
    "rl-trainer": {("", "services"): FOLLOW, ("discovery.k8s.io", "endpointslices"): FOLLOW},
    "rl-policy": {("", "services"): MAKE, ("apps", "deployments"): MAKE},
}
"""All that any pod may ask of the Kubernetes API, by its account."""


@pytest.mark.parametrize("engine", ["torch", "tgi", "vllm"])
def test_rights_are_those_that_are_used(helm: str, engine: str) -> None:
    values = CHART / "ci" / "gpu-tgi-values.yaml"
    objects = template(helm, values, "--set", f"policy.engine={engine},discovery.enabled=true")
    given = {one["metadata"]["name"]: rights(one) for one in of(objects, "Role")}
    assert given == {
        name: all_of for name, all_of in RIGHTS.items() if engine == "tgi" or name != "rl-policy"
    }


def rights(role: Object) -> dict[tuple[str, str], set[str]]:
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_workers_know_every_service_where_it_is(helm: str) -> None:
    demo = template(helm, CHART / "ci" / "cpu-demo-values.yaml", "--set", "discovery.enabled=false")
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
    asked = [health([*one["command"], *one["args"]]) for one in pod["spec"]["containers"]]
    addresses = {one.address for one in asked if one}
    called = ("environment", "verifier", "policy", "trainer")
    services = [one for one in of(objects, "Service") if labels(one)["farfield.dev/kind"] in called]
    assert len(addresses) == len(services)
    assert all(any(one["metadata"]["name"] in address for address in addresses) for one in services)


def test_what_scales_is_there(objects: list[Object]) -> None:
    for one in of(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = named(objects, "Deployment", one["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"]
