"""The toy kubelet: what it does to containers that crash, hang, end, or ask the API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.podman import faults
from tests.containers.conftest import needed

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster

IMAGE = "farfield-environment:0.1.0"
"""Any with Python."""

LIST = """
import json, pathlib, ssl, urllib.request, urllib.error
account = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
trusted = ssl.create_default_context(cafile=account / "ca.crt")
import os
where = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
for plural in ("services", "secrets"):
    asked = urllib.request.Request(f"{where}/api/v1/namespaces/default/{plural}")
    asked.add_header("Authorization", "Bearer " + (account / "token").read_text())
    try:
        print(plural, json.load(urllib.request.urlopen(asked, context=trusted))["kind"])
    except urllib.error.HTTPError as error:
        print(plural, error.code)
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Cluster"]:
    needed()
    from tests.cluster.podman.kubelet import PodmanKubelet
    from tests.cluster.simulator import running

    folder: Path = tmp_path_factory.mktemp("toy")
    with running(folder, lambda: PodmanKubelet(folder)) as cluster:
        yield cluster


def pod(name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    one = {"name": "main", "image": IMAGE, "command": list(command), **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [one], "terminationGracePeriodSeconds": 5, **spec},
    }


def status(toy: "Cluster", name: str) -> dict[str, Any]:
    return json.loads(toy.kubectl("get", "pod", name, "--output", "json"))["status"]


def wait(toy: "Cluster", name: str, what: str) -> None:
    toy.kubectl("wait", "pod", name, f"--for={what}", "--timeout=60s")


def test_a_container_that_exits_is_restarted_in_the_same_pod(toy: "Cluster") -> None:
    toy.apply(pod("crashes", "sh", "-c", "sleep 1; exit 3"))
    wait(toy, "crashes", "jsonpath={.status.containerStatuses[0].restartCount}=2")
    last = status(toy, "crashes")["containerStatuses"][0]["lastState"]
    assert last["terminated"]["exitCode"] == 3
    toy.kubectl("delete", "pod", "crashes")


def test_a_container_that_is_killed_is_restarted_at_the_same_address(toy: "Cluster") -> None:
    toy.apply(pod("killed", "sleep", "1000"))
    wait(toy, "killed", "condition=Ready")
    address = status(toy, "killed")["podIP"]
    faults.kill("default", "killed", "main")
    wait(toy, "killed", "jsonpath={.status.containerStatuses[0].restartCount}=1")
    wait(toy, "killed", "condition=Ready")
    assert status(toy, "killed")["podIP"] == address
    toy.kubectl("delete", "pod", "killed")


def test_a_container_that_is_no_longer_alive_is_restarted(toy: "Cluster") -> None:
    probe = {
        "exec": {"command": ["test", "!", "-e", "/tmp/stuck"]},
        "periodSeconds": 1,
        "failureThreshold": 2,
    }
    toy.apply(
        pod("hangs", "sh", "-c", "sleep 2; touch /tmp/stuck; sleep 1000", container={"livenessProbe": probe})
    )
    wait(toy, "hangs", "jsonpath={.status.containerStatuses[0].restartCount}=1")
    toy.kubectl("delete", "pod", "hangs", "--force", "--grace-period=0")


def test_the_end_is_announced_by_the_hook_and_then_by_sigterm(toy: "Cluster") -> None:
    script = "trap 'cat /tmp/told; echo ended; exit' TERM; while true; do sleep 0.1; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo told > /tmp/told"]}}}
    toy.apply(pod("ends", "sh", "-c", script, container={"lifecycle": hook}))
    wait(toy, "ends", "condition=Ready")
    toy.kubectl("delete", "pod", "ends", "--wait=false")
    written = toy.kubectl("logs", "ends", "--follow")
    assert written.split() == ["told", "ended"]


def test_a_pod_asks_the_api_what_its_role_allows(toy: "Cluster") -> None:
    meta = {"name": "reader"}
    role = {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
    toy.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {**rbac, "kind": "Role", "rules": [role]},
        {**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
        pod("asks", "python", "-c", LIST, serviceAccountName="reader", restartPolicy="Never"),
    )
    wait(toy, "asks", "jsonpath={.status.phase}=Succeeded")
    assert toy.kubectl("logs", "asks").splitlines() == ["services ServiceList", "secrets 403"]


def test_a_pod_waits_for_what_it_refers_to(toy: "Cluster") -> None:
    env = {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]}
    toy.apply(pod("waits", "sh", "-c", "echo $A", container=env, restartPolicy="Never"))
    wait(
        toy,
        "waits",
        "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError",
    )
    toy.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"a": "b"}})
    wait(toy, "waits", "jsonpath={.status.phase}=Succeeded")
    assert toy.kubectl("logs", "waits").split() == ["b"]
