"""A pod's specification in the words of `podman pod create` and `podman run`."""

import json
import re

from tests.cluster.podman.environment import expanded
from tests.cluster.store import Object

UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


def image(name: str) -> str:
    """A name without a registry is one that was built here."""
    first, slash, _ = name.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return name if named else f"localhost/{name}"


def hostname(pod: Object) -> str:
    return pod["spec"].get("hostname") or pod["metadata"]["name"][:63]


def run(pod: Object, container: Object, variables: dict[str, str], mounts: list[str]) -> list[str]:
    """All after `podman run` but what names the container."""
    words = ["--read-only-tmpfs=false", "--no-healthcheck", "--log-driver=none", "--pull=never"]
    words += _security(pod["spec"].get("securityContext", {}), container.get("securityContext", {}))
    words += _limits(container.get("resources", {}).get("limits", {}))
    words += [f"--env={name}={value}" for name, value in variables.items()]
    words += mounts
    if "workingDir" in container:
        words.append(f"--workdir={container['workingDir']}")
    command = [expanded(word, variables) for word in container.get("command", [])]
    if command:
        words.append(f"--entrypoint={json.dumps(command)}")
    arguments = [expanded(word, variables) for word in container.get("args", [])]
    return [*words, image(container["image"]), *arguments]


def _security(pod: Object, container: Object) -> list[str]:
    both = pod | container
    words = []
    if "runAsUser" in both:
        group = f":{both['runAsGroup']}" if "runAsGroup" in both else ""
        words.append(f"--user={both['runAsUser']}{group}")
    groups = [*pod.get("supplementalGroups", []), *([pod["fsGroup"]] if "fsGroup" in pod else [])]
    words += [f"--group-add={group}" for group in groups]
    if both.get("readOnlyRootFilesystem"):
        words.append("--read-only")
    if both.get("allowPrivilegeEscalation") is False:
        words.append("--security-opt=no-new-privileges")
    capabilities = both.get("capabilities", {})
    words += [f"--cap-drop={name}" for name in capabilities.get("drop", [])]
    words += [f"--cap-add={name}" for name in capabilities.get("add", [])]
    return words


def _limits(limits: Object) -> list[str]:
    words = []
    if "memory" in limits:
        words.append(f"--memory={quantity(limits['memory'])}")
    if "cpu" in limits:
        words.append(f"--cpus={cpus(limits['cpu'])}")
    return words


def quantity(text: str | int) -> int:
    """Bytes: `512Mi`, `1.5G`, `1000`."""
    found = re.fullmatch(r"([\d.]+)(Ki|Mi|Gi|k|M|G|)", str(text))
    if found is None:
        raise ValueError(f"the toy kubelet does not read the quantity {text}")
    return int(float(found[1]) * UNITS[found[2]])


def cpus(text: str | float) -> float:
    return float(str(text).rstrip("m")) / (1000 if str(text).endswith("m") else 1)
