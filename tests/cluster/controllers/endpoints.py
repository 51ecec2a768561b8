"""Services: an address each, and the EndpointSlice of their pods."""

from tests.cluster.controllers.owning import PODS, finished, leaving, ready, reference
from tests.cluster.resources import BY_KIND
from tests.cluster.selectors import matches
from tests.cluster.store import Object, Store

SERVICES, SLICES = BY_KIND["Service"], BY_KIND["EndpointSlice"]


def reconcile(store: Store) -> None:
    for service in store.all(SERVICES):
        service = _addressed(store, service)
        if service["spec"].get("selector") and not leaving(service):
            _slice(store, service)


def _addressed(store: Store, service: Object) -> Object:
    """With an address of the Services' network, which nothing here routes."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return service
    taken = {one["spec"].get("clusterIP") for one in store.all(SERVICES)}
    free = (f"10.96.{number // 250}.{number % 250 + 1}" for number in range(60_000))
    address = spec.get("clusterIP") or next(one for one in free if one not in taken)
    spec["clusterIP"], spec["clusterIPs"] = address, [address]
    return store.update(SERVICES, service)


def _slice(store: Store, service: Object) -> None:
    meta, spec = service["metadata"], service["spec"]
    selector = {"matchLabels": spec["selector"]}
    pods = [
        pod
        for pod in store.all(PODS, meta["namespace"])
        if matches(selector, pod["metadata"].get("labels", {}))
        and not finished(pod)
        and pod["status"].get("podIP")
    ]
    wanted: Object = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-{meta['uid'][:5]}",
            "namespace": meta["namespace"],
            "labels": {
                **meta.get("labels", {}),
                "kubernetes.io/service-name": meta["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, spec.get("publishNotReadyAddresses", False)) for pod in pods],
        "ports": [_port(port, pods) for port in spec.get("ports", [])],
    }
    found = store.find(SLICES, meta["namespace"], wanted["metadata"]["name"])
    if found is None:
        store.create(SLICES, wanted)
    else:
        store.update(SLICES, {**wanted, "metadata": {**found["metadata"], **wanted["metadata"]}})


def _endpoint(pod: Object, publish: bool) -> Object:
    serving = ready(pod)
    conditions = {
        "ready": (serving and not leaving(pod)) or publish,
        "serving": serving,
        "terminating": leaving(pod),
    }
    target = {
        "kind": "Pod",
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "uid": pod["metadata"]["uid"],
    }
    named = {"hostname": pod["spec"]["hostname"]} if "hostname" in pod["spec"] else {}
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": conditions,
        "targetRef": target,
        "nodeName": pod["spec"].get("nodeName", ""),
        **named,
    }


def _port(port: Object, pods: list[Object]) -> Object:
    number = port["targetPort"]
    if isinstance(number, str):
        number = next((_named(pod, number) for pod in pods if _named(pod, number)), port["port"])
    return {"name": port.get("name", ""), "port": number, "protocol": port["protocol"]}


def _named(pod: Object, name: str) -> int | None:
    ports = (one for container in pod["spec"]["containers"] for one in container.get("ports", []))
    return next((one["containerPort"] for one in ports if one.get("name") == name), None)
