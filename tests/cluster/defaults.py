"""Fields that an API server fills in: those that clients or the controllers here look at."""

import base64
from typing import Any

from tests.cluster.resources import Resource

Object = dict[str, Any]


def fill(resource: Resource, one: Object) -> None:
    """In place."""
    if resource.kind in _FILLERS:
        _FILLERS[resource.kind](one)


def _pod_spec(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    for container in spec.get("initContainers", []) + spec["containers"]:
        latest = container.get("image", "").rpartition(":")[2] == "latest"
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("resources", {})
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if name in container:
                _probe(container[name])


def _probe(probe: Object) -> None:
    for name, value in {
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }.items():
        probe.setdefault(name, value)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _template(one: Object) -> None:
    one["spec"]["template"].setdefault("metadata", {})
    _pod_spec(one["spec"]["template"]["spec"])


def _deployment(one: Object) -> None:
    spec = one["spec"]
    _replica_set(one)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%"} | rolling
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _replica_set(one: Object) -> None:
    if one["spec"].get("replicas") is None:
        one["spec"]["replicas"] = 1
    _template(one)


def _stateful_set(one: Object) -> None:
    spec = one["spec"]
    _replica_set(one)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("revisionHistoryLimit", 10)
    update = spec.setdefault("updateStrategy", {})
    if update.setdefault("type", "RollingUpdate") == "RollingUpdate":
        update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    for claim in spec.get("volumeClaimTemplates", []):
        _claim(claim)


def _job(one: Object) -> None:
    spec = one["spec"]
    for name, value in {
        "parallelism": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
    }.items():
        spec.setdefault(name, value)
    if spec["parallelism"] == 1:
        spec.setdefault("completions", 1)
    _template(one)
    named = {
        "batch.kubernetes.io/job-name": one["metadata"].get("name", ""),
        "job-name": one["metadata"].get("name", ""),
    }
    spec.setdefault("selector", {"matchLabels": named})
    spec["template"]["metadata"]["labels"] = {**spec["template"]["metadata"].get("labels", {}), **named}


def _service(one: Object) -> None:
    spec = one.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])


def _claim(one: Object) -> None:
    one["spec"].setdefault("volumeMode", "Filesystem")
    one["spec"].setdefault("storageClassName", "standard")


def _secret(one: Object) -> None:
    one.setdefault("type", "Opaque")
    text = one.pop("stringData", None) or {}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    if encoded:
        one["data"] = (one.get("data") or {}) | encoded


_FILLERS = {
    "Pod": lambda one: _pod_spec(one["spec"]),
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "Job": _job,
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "Secret": _secret,
}
