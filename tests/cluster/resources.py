"""The kinds that the simulator knows, and the documents in which clients discover them."""

from dataclasses import dataclass
from typing import Any

VERSION = "1.34"
"""Of Kubernetes: what is said of the server, and whose schemas are checked."""

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Resource:
    """One kind, as clients address it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    schema: bool = True
    """False: a custom resource, whose schema is its operator's and not Kubernetes' own."""
    short: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"


STATUS = ("status",)
SCALED = ("status", "scale")

RESOURCES = [
    Resource("", "v1", "Namespace", "namespaces", False, ("status", "finalize"), short=("ns",)),
    Resource("", "v1", "Node", "nodes", False, STATUS, short=("no",)),
    Resource("", "v1", "Pod", "pods", True, ("status", "log", "portforward", "eviction"), short=("po",)),
    Resource("", "v1", "Service", "services", True, STATUS, short=("svc",)),
    Resource("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "ServiceAccount", "serviceaccounts", short=("sa",)),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, STATUS, short=("pvc",)),
    Resource("", "v1", "Event", "events", short=("ev",)),
    Resource("apps", "v1", "Deployment", "deployments", True, SCALED, short=("deploy",)),
    Resource("apps", "v1", "ReplicaSet", "replicasets", True, SCALED, short=("rs",)),
    Resource("apps", "v1", "StatefulSet", "statefulsets", True, SCALED, short=("sts",)),
    Resource("apps", "v1", "DaemonSet", "daemonsets", True, STATUS, short=("ds",)),
    Resource("batch", "v1", "Job", "jobs", True, STATUS),
    Resource("batch", "v1", "CronJob", "cronjobs", True, STATUS, short=("cj",)),
    Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", short=("netpol",)),
    Resource("networking.k8s.io", "v1", "Ingress", "ingresses", True, STATUS, short=("ing",)),
    Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, STATUS, short=("pdb",)),
    Resource(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        True,
        STATUS,
        short=("hpa",),
    ),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False),
    Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, short=("pc",)),
    Resource("coordination.k8s.io", "v1", "Lease", "leases"),
    Resource("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors", schema=False),
    Resource("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors", schema=False),
    Resource("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules", schema=False),
    Resource("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", True, STATUS, schema=False),
    Resource("keda.sh", "v1alpha1", "TriggerAuthentication", "triggerauthentications", schema=False),
    Resource("cert-manager.io", "v1", "Certificate", "certificates", True, STATUS, schema=False),
    Resource("cert-manager.io", "v1", "Issuer", "issuers", True, STATUS, schema=False),
]

ALL = {"Pod", "Service", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"}
"""What `kubectl get all` asks for."""

BY_PATH = {(one.group, one.version, one.plural): one for one in RESOURCES}
BY_KIND = {one.kind: one for one in RESOURCES}


def discovery() -> dict[str, dict[str, Any]]:
    """The documents by their path."""
    documents: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": VERSION.partition(".")[2], "gitVersion": f"v{VERSION}.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/openapi/v3": {"paths": {}},
    }
    for group, version in dict.fromkeys((one.group, one.version) for one in RESOURCES):
        api_version = f"{group}/{version}" if group else version
        path = f"/apis/{api_version}" if group else f"/api/{version}"
        members = [one for one in RESOURCES if (one.group, one.version) == (group, version)]
        documents[path] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version,
            "resources": [described for one in members for described in _described(one)],
        }
        if group:
            named = {"groupVersion": api_version, "version": version}
            described = {"name": group, "versions": [named], "preferredVersion": named}
            documents["/apis"]["groups"].append(described)
            documents[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **described}
    return documents


def _described(resource: Resource) -> list[dict[str, Any]]:
    common = {"namespaced": resource.namespaced, "kind": resource.kind, "singularName": resource.kind.lower()}
    own = {**common, "name": resource.plural, "verbs": VERBS, "shortNames": list(resource.short)}
    verbs = ["get", "patch", "update"]
    if resource.kind in ALL:
        own["categories"] = ["all"]
    return [
        own,
        *({**common, "name": f"{resource.plural}/{sub}", "verbs": verbs} for sub in resource.subresources),
    ]
