"""Rules that every pod keeps, whatever engine and values."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from rendering import WORKLOADS, Object, made, of, pods

QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?([EPTGMk]i?|m)?$")


def every_pod(objects: list[Object]) -> list[Object]:
    return pods(objects) + pods(made(objects))


def test_pods_are_locked_down(objects: list[Object]) -> None:
    for pod in every_pod(objects):
        spec = pod["spec"]
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_volumes_are_bounded_and_none_is_the_nodes(objects: list[Object]) -> None:
    for pod in every_pod(objects):
        for volume in pod["spec"].get("volumes", []):
            assert "hostPath" not in volume
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"]


def test_no_account_hands_out_a_token_by_itself(objects: list[Object]) -> None:
    assert all(one["automountServiceAccountToken"] is False for one in of(objects, "ServiceAccount"))


def test_rights_have_no_wildcards_and_read_no_secrets(objects: list[Object]) -> None:
    assert not of(objects, "ClusterRole", "ClusterRoleBinding")
    for role in of(objects, "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_images_have_a_version(objects: list[Object]) -> None:
    for pod in every_pod(objects):
        for container in pod["spec"]["containers"]:
            _, _, tag = container["image"].rpartition("/")[2].partition(":")
            assert tag not in ("", "latest")


def test_secrets_are_in_no_configuration_and_no_argument(objects: list[Object]) -> None:
    for pod in every_pod(objects):
        for container in pod["spec"]["containers"]:
            for variable in container.get("env", []):
                if re.search("TOKEN|PASSWORD|KEY|QUEUE_URL", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"]


def test_quantities_are_what_kubernetes_reads(objects: list[Object]) -> None:
    for given in of(objects + made(objects), *WORKLOADS, "PersistentVolumeClaim", "Pod"):
        for quantity in _quantities(given):
            assert QUANTITY.match(str(quantity)), quantity


def _quantities(told: Any) -> list[Any]:
    if isinstance(told, list):
        return [found for one in told for found in _quantities(one)]
    if not isinstance(told, dict):
        return []
    here = [value for key in ("requests", "limits") for value in (told.get(key) or {}).values()]
    here += [told["sizeLimit"]] if "sizeLimit" in told else []
    return here + [found for one in told.values() for found in _quantities(one)]
