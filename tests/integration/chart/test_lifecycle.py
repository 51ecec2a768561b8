"""A release from its installation to its end: the real Helm and kubectl, at a simulator of the cluster's API
(tests/cluster). No container runs: its pods are said to be ready."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))


from rendering import DEMO, NAMESPACE, of, template

from tests.cluster.fixtures import cluster
from tests.cluster.kubectl import KUBECTL, NO_KUBECTL
from tests.cluster.releases import Release

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster

__all__ = ["cluster"]

pytestmark = pytest.mark.skipif(not KUBECTL, reason=NO_KUBECTL)

REDIS_PASSWORD = ("get", "secret", "rl-redis", "--output", "jsonpath={.data.password}")


@pytest.fixture
def release(each_helm: str, cluster: "Cluster", tmp_path: Path) -> Release:
    return Release(each_helm, cluster, tmp_path)


def demo_entries(kind: str) -> list[dict]:
    return yaml.safe_load(DEMO.read_text())[kind]


def test_an_installation_waits_until_all_is_ready_and_the_hook_succeeds(release: Release) -> None:
    release.install()
    workloads = release.kubectl("get", "deployments,statefulsets", "--output", "jsonpath={.items[*].status}")
    assert workloads.count('"readyReplicas"') == 7
    assert "Succeeded" in release.helm("test", "--timeout=60s")
    assert not release.names("pods", "--selector", "farfield.dev/kind=test")  # it is deleted with its success


def test_a_pod_that_is_never_ready_fails_the_installation(release: Release) -> None:
    ill = {"simulator/ready": "false"}
    file = release.write(policy={"podAnnotations": ill})
    with pytest.raises(AssertionError, match=r"rl-policy|timed out|deadline"):
        release.install("--values", file, "--timeout=3s")


def test_an_upgrade_adds_a_plugin_and_swaps_a_reward_and_a_rollback_takes_both_back(release: Release) -> None:
    release.install()
    before = release.config("rl-verifier-rewards")
    others = release.names("pods", "--selector", "farfield.dev/kind in (policy,trainer,rollout,environment)")
    (rewards,) = demo_entries("verifiers")
    swapped = {**rewards, "config": {"plans": {"right-or-wrong": {"leaf": {"verifier": "virl"}}}}}
    guess = {"name": "guess", "image": {"repository": "guess"}}
    release.upgrade(environments=[*demo_entries("environments"), guess], verifiers=[swapped])
    assert release.config("rl-verifier-rewards")["plans"] == swapped["config"]["plans"]
    found = release.names("services", "--selector", "farfield.dev/kind=environment")
    assert "service/rl-environment-guess" in found
    assert "successfully" in release.kubectl(
        "rollout", "status", "deployment/rl-environment-guess", "--timeout=20s"
    )
    assert others <= release.names("pods")  # what did not change was not restarted

    release.helm("rollback", "1", "--wait", "--timeout=60s")
    assert release.config("rl-verifier-rewards") == before
    assert "deployment.apps/rl-environment-guess" not in release.names("deployments")


def test_the_bundled_redis_keeps_its_password_and_its_data_through_an_upgrade(release: Release) -> None:
    release.install()
    password, claim = release.kubectl(*REDIS_PASSWORD), release.uid("persistentvolumeclaim/data-rl-redis-0")
    release.upgrade(redis={"resources": {"limits": {"memory": "2Gi"}}})
    release.kubectl("rollout", "status", "statefulset/rl-redis", "--timeout=20s")
    assert release.kubectl(*REDIS_PASSWORD) == password
    assert release.uid("persistentvolumeclaim/data-rl-redis-0") == claim


def test_an_end_leaves_what_was_trained(release: Release) -> None:
    release.install()
    release.helm("uninstall", "--wait", "--timeout=60s")
    assert release.names("all,configmaps,secrets,networkpolicies,poddisruptionbudgets") == set()
    assert release.names("persistentvolumeclaims") == {
        "persistentvolumeclaim/rl-runs",
        "persistentvolumeclaim/data-rl-redis-0",
    }


def test_kubectl_applies_what_helm_renders_and_then_sees_no_difference(
    helm: str, cluster: "Cluster", tmp_path: Path
) -> None:
    release = Release(helm, cluster, tmp_path)
    release.kubectl("create", "namespace", NAMESPACE)
    rendered = [
        one for one in template(helm, DEMO) if "helm.sh/hook" not in one["metadata"].get("annotations", {})
    ]
    text = yaml.safe_dump_all(rendered)
    release.kubectl("apply", "--filename", "-", stdin=text)
    for one in of(rendered, "Deployment", "StatefulSet"):
        target = f"{one['kind'].lower()}/{one['metadata']['name']}"
        release.kubectl("rollout", "status", target, "--timeout=20s")
    assert release.kubectl("diff", "--filename", "-", stdin=text) == ""
