"""Every values file of `ci/`, installed, tested and upgraded to itself at a simulator of the cluster's API
(tests/cluster): no container runs, its pods are said to be ready."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO

from tests.cluster.fixtures import cluster
from tests.cluster.kubectl import KUBECTL, NO_KUBECTL
from tests.cluster.releases import Release

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster

__all__ = ["cluster"]

pytestmark = pytest.mark.skipif(not KUBECTL, reason=NO_KUBECTL)

WAIT = ("--wait", "--timeout=60s")


def secrets(release: Release) -> dict[str, str]:
    """Contents of the chart's own, and not of Helm's."""
    found = yaml.safe_load(release.kubectl("get", "secrets", "--output", "yaml"))["items"]
    return {one["metadata"]["name"]: one["data"] for one in found if "helm.sh" not in one["type"]}


@pytest.mark.timeout(240)
def test_a_release_is_up_and_an_upgrade_to_the_same_changes_nothing(
    helm: str, cluster: "Cluster", values: Path, tmp_path: Path
) -> None:
    release = Release(helm, cluster, tmp_path)
    said = release.helm("install", str(CHART), "--values", str(values), "--create-namespace", *WAIT)
    assert ("farfield --context" in said) == bool(
        release.names("statefulsets/rl-trainer", "--ignore-not-found")
    )
    assert "Succeeded" in release.helm("test", "--timeout=60s")
    kept, pods = secrets(release), release.names("pods")
    release.helm("upgrade", str(CHART), "--values", str(values), *WAIT)
    assert secrets(release) == kept
    assert release.names("pods") == pods


def test_ranks_are_pods_that_the_service_tells_apart(helm: str, cluster: "Cluster", tmp_path: Path) -> None:
    release = Release(helm, cluster, tmp_path)
    words = "trainer.replicas=3,trainer.device=cpu"
    release.install("--set", words)
    slices = yaml.safe_load(release.kubectl("get", "endpointslices", "--output", "yaml"))["items"]
    found = {
        name: {
            endpoint["targetRef"]["name"]
            for one in slices
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == name
            for endpoint in one["endpoints"] or []
        }
        for name in ("rl-trainer", "rl-trainer-ranks")
    }
    ranks = {f"rl-trainer-{ordinal}" for ordinal in range(3)}
    assert found == {"rl-trainer": {"rl-trainer-0"}, "rl-trainer-ranks": ranks}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("runs.accessModes={ReadWriteOnce}", "mount one volume, so they have to"),
        ("tls.enabled=true", "Secret rl-client-tls has the authority's, and a client's"),
        ("networkPolicy.enabled=false", "plugins may reach whatever the cluster reaches"),
    ],
)
def test_notes_say_what_to_mind(helm: str, cluster: "Cluster", tmp_path: Path, given: str, told: str) -> None:
    release = Release(helm, cluster, tmp_path)
    words = ("--values", str(DEMO), "--set", given, "--create-namespace")
    assert told in release.helm("install", str(CHART), *words)
    words = ("--values", str(DEMO), "--set", "runs.existingClaim=mine")
    assert told not in release.helm("upgrade", str(CHART), *words)
