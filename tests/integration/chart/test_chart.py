"""What Helm makes of the chart: objects that are valid, fit together and are no more open than they say."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from configurations import accepted
from rendering import (
    CHART,
    DEMO,
    ROOT,
    WORKLOADS,
    Object,
    config,
    helms,
    labels,
    made,
    named,
    of,
    rendered,
    run,
    strict_schemas,
    template,
)

OPERATORS = ("monitoring.coreos.com", "keda.sh", "cert-manager.io")
LONG = ("Secret", "Certificate")
"""Objects whose names no label and no host repeats."""


def test_lint_finds_nothing(each_helm: str, values: Path) -> None:
    done = run(each_helm, "lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(len(helms()) < 2, reason="one helm alone: nothing to compare")
def test_every_helm_renders_the_same(values: Path) -> None:
    """So that what follows is true of each, though some of it is tried with one."""
    first, *others = (sorted(_unlike_secrets(rendered(helm, values)), key=_where) for helm in helms())
    assert all(other == first for other in others)


def _unlike_secrets(objects: list[Object]) -> list[Object]:
    """Their content is random."""
    return [{**one, "data": sorted(one["data"])} if one["kind"] == "Secret" else one for one in objects]


def _where(one: Object) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


@pytest.mark.parametrize("version", [f"1.{minor}" for minor in range(28, 38)])
def test_every_object_is_what_kubernetes_knows(objects: list[Object], version: str) -> None:
    schemas = strict_schemas()
    for one in objects + made(objects):
        if one["apiVersion"].partition("/")[0] not in OPERATORS:
            schemas.validate(one, version)


def test_no_two_objects_of_one_name(objects: list[Object]) -> None:
    names = Counter((one["kind"], one["metadata"]["name"]) for one in objects + made(objects))
    assert max(names.values()) == 1
    assert all(len(name) <= (253 if kind in LONG else 63) for kind, name in names)


def test_long_names_stay_within_what_dns_takes(helm: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    entry = {"name": "e" * 24, "image": {"repository": "x"}}
    file.write_text(yaml.safe_dump({"environments": [entry], "fullnameOverride": "f" * 40}))
    objects = template(helm, DEMO, "--values", str(file))
    assert max(len(one["metadata"]["name"]) for one in objects) == 63


def test_services_accept_the_configuration_that_they_are_given(objects: list[Object]) -> None:
    kinds = {name.split("-")[1] for name in accepted(objects)}
    assert {"environment", "verifier"} <= kinds


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


def test_pods_live_longer_than_their_drain(demo: list[Object]) -> None:
    for one in of(demo, *WORKLOADS):
        if labels(one)["farfield.dev/kind"] != "redis":
            drain = config(demo, one["metadata"]["name"])["server"]["drain_seconds"]
            spec = one["spec"]["template"]["spec"]
            pause = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
            assert spec["terminationGracePeriodSeconds"] > drain + pause


def test_the_schema_and_the_table_follow_from_the_values() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "helm/generate.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
