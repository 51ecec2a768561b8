"""Deployments and ReplicaSets: rolling updates within surge and availability, and Recreate."""

import math

from tests.cluster.controllers.owning import (
    PODS,
    condition,
    digest,
    finished,
    leaving,
    make_pod,
    owned,
    ready,
    reference,
    report,
)
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

DEPLOYMENTS, REPLICA_SETS = BY_KIND["Deployment"], BY_KIND["ReplicaSet"]
HASH, REVISION = "pod-template-hash", "deployment.kubernetes.io/revision"


def reconcile(store: Store) -> None:
    for deployment in store.all(DEPLOYMENTS):
        if not leaving(deployment):
            _roll(store, deployment)
    for replica_set in store.all(REPLICA_SETS):
        if not leaving(replica_set):
            _fill(store, replica_set)


def _roll(store: Store, deployment: Object) -> None:
    new = _current(store, deployment)
    olds = [
        one
        for one in owned(store, REPLICA_SETS, deployment)
        if one["metadata"]["uid"] != new["metadata"]["uid"]
    ]
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        _recreate(store, deployment, new, olds)
    else:
        _replace_by_and_by(store, deployment, new, olds)
    _forget(store, deployment, olds)
    _report(store, deployment)


def _current(store: Store, deployment: Object) -> Object:
    """The ReplicaSet of the present template, made if it is not there, and numbered as the latest."""
    spec, meta = deployment["spec"], deployment["metadata"]
    found = owned(store, REPLICA_SETS, deployment)
    label = digest(spec["template"])
    latest = max((_revision(one) for one in found), default=0)
    current = next((one for one in found if one["metadata"]["labels"][HASH] == label), None)
    if current is None:
        current = store.create(REPLICA_SETS, _replica_set(deployment, label, latest + 1))
    elif _revision(current) < latest:
        current["metadata"]["annotations"][REVISION] = str(latest + 1)
        current = store.update(REPLICA_SETS, current)
    if meta.get("annotations", {}).get(REVISION) != current["metadata"]["annotations"][REVISION]:
        annotations = {**meta.get("annotations", {}), REVISION: current["metadata"]["annotations"][REVISION]}
        fresh = store.get(DEPLOYMENTS, meta["namespace"], meta["name"])
        fresh["metadata"]["annotations"] = annotations
        deployment |= store.update(DEPLOYMENTS, fresh)
    return current


def _replica_set(deployment: Object, label: str, revision: int) -> Object:
    spec, meta = deployment["spec"], deployment["metadata"]
    template, selector = spec["template"], spec["selector"]
    labels = {**template["metadata"].get("labels", {}), HASH: label}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{label}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**selector, "matchLabels": {**selector.get("matchLabels", {}), HASH: label}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"]["annotations"][REVISION])


def _recreate(store: Store, deployment: Object, new: Object, olds: list[Object]) -> None:
    for old in olds:
        _scale(store, old, 0)
    if not any(owned(store, PODS, old) for old in olds):
        _scale(store, new, deployment["spec"]["replicas"])


def _replace_by_and_by(store: Store, deployment: Object, new: Object, olds: list[Object]) -> None:
    wanted = deployment["spec"]["replicas"]
    surge, unavailable = _limits(deployment)
    total = sum(one["spec"]["replicas"] for one in [new, *olds])
    grown = min(wanted, new["spec"]["replicas"] + max(0, wanted + surge - total))
    available = new.get("status", {}).get("availableReplicas", 0)
    removable = total - (wanted - unavailable) - (new["spec"]["replicas"] - available)
    _scale(store, new, grown)
    for old in sorted(olds, key=_revision):
        dropped = max(0, min(removable, old["spec"]["replicas"]))
        removable -= dropped
        _scale(store, old, old["spec"]["replicas"] - dropped)


def _limits(deployment: Object) -> tuple[int, int]:
    """Pods above and below the wanted number, as an update may go."""
    rolling, wanted = deployment["spec"]["strategy"]["rollingUpdate"], deployment["spec"]["replicas"]
    surge = _share(rolling["maxSurge"], wanted, math.ceil)
    unavailable = _share(rolling["maxUnavailable"], wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (1, 0)


def _share(limit: int | str, whole: int, rounded: object) -> int:
    if isinstance(limit, int):
        return limit
    return rounded(float(limit.rstrip("%")) / 100 * whole)


def _scale(store: Store, replica_set: Object, replicas: int) -> None:
    meta = replica_set["metadata"]
    fresh = store.get(REPLICA_SETS, meta["namespace"], meta["name"])
    fresh["spec"]["replicas"] = replicas
    store.update(REPLICA_SETS, fresh)


def _forget(store: Store, deployment: Object, olds: list[Object]) -> None:
    done = [one for one in olds if not one["spec"]["replicas"] and not owned(store, PODS, one)]
    kept = deployment["spec"]["revisionHistoryLimit"]
    for old in sorted(done, key=_revision)[: max(0, len(done) - kept)]:
        store.delete(REPLICA_SETS, old["metadata"]["namespace"], old["metadata"]["name"])


def _report(store: Store, deployment: Object) -> None:
    sets = owned(store, REPLICA_SETS, deployment)
    pods = {one["metadata"]["labels"][HASH]: _alive(store, one) for one in sets}
    everything = [pod for some in pods.values() for pod in some]
    updated = pods.get(digest(deployment["spec"]["template"]), [])
    available = sum(map(ready, everything))
    wanted = deployment["spec"]["replicas"]
    complete = len(updated) == len(everything) == wanted and sum(map(ready, updated)) == wanted
    enough = available >= wanted - _limits_of(deployment)
    reasons = {True: "NewReplicaSetAvailable", False: "ReplicaSetUpdated"}
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": len(everything),
        "updatedReplicas": len(updated),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
        "conditions": [
            condition(deployment, "Available", enough, f"MinimumReplicas{'A' if enough else 'Una'}vailable"),
            condition(deployment, "Progressing", True, reasons[complete]),
        ],
    }
    report(store, DEPLOYMENTS, deployment, status)


def _limits_of(deployment: Object) -> int:
    return _limits(deployment)[1] if deployment["spec"]["strategy"]["type"] == "RollingUpdate" else 0


def _alive(store: Store, replica_set: Object) -> list[Object]:
    return [pod for pod in owned(store, PODS, replica_set) if not leaving(pod) and not finished(pod)]


def _fill(store: Store, replica_set: Object) -> None:
    """As many pods as wanted; those go first that are not ready, then the youngest."""
    pods = _alive(store, replica_set)
    meta, wanted = replica_set["metadata"], replica_set["spec"]["replicas"]
    for _ in range(wanted - len(pods)):
        name = {"generateName": f"{meta['name']}-"}
        store.create(PODS, make_pod(replica_set, name, {}))
    pods.reverse()
    for pod in sorted(pods, key=ready)[: max(0, len(pods) - wanted)]:
        store.delete(PODS, meta["namespace"], pod["metadata"]["name"])
    pods = _alive(store, replica_set)
    count = sum(map(ready, pods))
    status = {
        "observedGeneration": meta["generation"],
        "replicas": len(pods),
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": count,
        "availableReplicas": count,
    }
    report(store, REPLICA_SETS, replica_set, status)
