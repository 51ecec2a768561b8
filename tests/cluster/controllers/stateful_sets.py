"""StatefulSets: pods by ordinal with their claims, in order or at once; replaced from the last."""

from tests.cluster.controllers.owning import PODS, digest, finished, leaving, make_pod, owned, ready, report
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

STATEFUL_SETS, CLAIMS = BY_KIND["StatefulSet"], BY_KIND["PersistentVolumeClaim"]
REVISION = "controller-revision-hash"


def reconcile(store: Store) -> None:
    for one in store.all(STATEFUL_SETS):
        if not leaving(one):
            _advance(store, one)
            _report(store, one)


def _advance(store: Store, one: Object) -> None:
    """One step: with `OrderedReady` no pod is made or ended while an earlier one is not ready."""
    meta, spec = one["metadata"], one["spec"]
    in_order = spec["podManagementPolicy"] == "OrderedReady"
    for ordinal in range(spec["replicas"]):
        pod = store.find(PODS, meta["namespace"], f"{meta['name']}-{ordinal}")
        if pod is None:
            pod = _make(store, one, ordinal)
        elif finished(pod) and not leaving(pod):
            store.delete(PODS, meta["namespace"], pod["metadata"]["name"])
        if in_order and (leaving(pod) or not ready(pod)):
            return
    surplus = [pod for pod in _pods(store, one) if _ordinal(pod) >= spec["replicas"]]
    for pod in surplus[:1] if in_order else surplus:
        _end(store, pod)
    if not surplus and spec["updateStrategy"]["type"] == "RollingUpdate":
        _replace_next(store, one)


def _make(store: Store, one: Object, ordinal: int) -> Object:
    meta, spec = one["metadata"], one["spec"]
    name = f"{meta['name']}-{ordinal}"
    labels = {
        REVISION: _revision(one),
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    pod = make_pod(one, {"name": name}, labels)
    pod["spec"] |= {"hostname": name, "subdomain": spec.get("serviceName", "")}
    volumes = []
    for template in spec.get("volumeClaimTemplates", []):
        claim = f"{template['metadata']['name']}-{name}"
        volumes.append({"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim}})
        if store.find(CLAIMS, meta["namespace"], claim) is None:
            store.create(CLAIMS, _claim(template, meta["namespace"], claim))
    pod["spec"]["volumes"] = [*pod["spec"].get("volumes", []), *volumes]
    return store.create(PODS, pod)


def _claim(template: Object, namespace: str, name: str) -> Object:
    meta = {**template["metadata"], "name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": template["spec"]}


def _replace_next(store: Store, one: Object) -> None:
    """Ends the last pod of an older revision, once all after it are ready."""
    for pod in _pods(store, one):
        if _ordinal(pod) < one["spec"]["updateStrategy"]["rollingUpdate"]["partition"]:
            return
        if pod["metadata"]["labels"][REVISION] != _revision(one):
            _end(store, pod)
            return
        if leaving(pod) or not ready(pod):
            return


def _end(store: Store, pod: Object) -> None:
    if not leaving(pod):
        store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _pods(store: Store, one: Object) -> list[Object]:
    """From the last to the first."""
    return sorted(owned(store, PODS, one), key=_ordinal, reverse=True)


def _ordinal(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _revision(one: Object) -> str:
    return f"{one['metadata']['name']}-{digest(one['spec']['template'])}"


def _report(store: Store, one: Object) -> None:
    pods = [pod for pod in _pods(store, one) if not leaving(pod)]
    revision = _revision(one)
    updated = [pod for pod in pods if pod["metadata"]["labels"][REVISION] == revision]
    before = one.get("status", {}).get("currentRevision", revision)
    done = len(updated) == len(pods) == one["spec"]["replicas"] and all(map(ready, updated))
    current = revision if done else before
    status = {
        "observedGeneration": one["metadata"]["generation"],
        "replicas": len(pods),
        "readyReplicas": sum(map(ready, pods)),
        "availableReplicas": sum(map(ready, pods)),
        "updatedReplicas": len(updated),
        "currentReplicas": sum(pod["metadata"]["labels"][REVISION] == current for pod in pods),
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    }
    report(store, STATEFUL_SETS, one, status)
