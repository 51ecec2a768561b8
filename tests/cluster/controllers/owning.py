"""What controllers share: who owns what, pods made of templates, and conditions."""

import hashlib
import json
from typing import Any

from tests.cluster.resources import BY_KIND, Resource
from tests.cluster.store import Object, Store, now

PODS = BY_KIND["Pod"]


def owned(store: Store, resource: Resource, owner: Object) -> list[Object]:
    """In the order of creation."""
    uid = owner["metadata"]["uid"]
    found = store.all(resource, owner["metadata"]["namespace"])
    return [
        one for one in found if any(ref["uid"] == uid for ref in one["metadata"].get("ownerReferences", []))
    ]


def reference(owner: Object) -> Object:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def make_pod(
    owner: Object, name: Object, labels: dict[str, str], annotations: dict[str, str] | None = None
) -> Object:
    """A pod of the owner's template; `name` is its `name` or `generateName`."""
    template = owner["spec"]["template"]
    meta = template.get("metadata", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**meta.get("labels", {}), **labels},
            "annotations": {**meta.get("annotations", {}), **(annotations or {})},
            "ownerReferences": [reference(owner)],
        },
        "spec": {**template["spec"]},
        "status": {"phase": "Pending"},
    }


def leaving(one: Object) -> bool:
    return "deletionTimestamp" in one["metadata"]


def finished(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def ready(pod: Object) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod.get("status", {}).get("conditions", [])
    )


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def condition(one: Object, kind: str, holds: bool, reason: str) -> Object:
    """As it was, unless it has changed: its time is that of its last change."""
    value = {"type": kind, "status": str(holds), "reason": reason, "message": reason}
    for old in one.get("status", {}).get("conditions", []):
        if value.items() <= old.items():
            return old
    return {**value, "lastTransitionTime": now(), "lastUpdateTime": now()}


def report(store: Store, resource: Resource, one: Object, status: Object) -> None:
    """Writes a status, if the object is still there and says otherwise."""
    meta = one["metadata"]
    found = store.find(resource, meta.get("namespace", ""), meta["name"])
    if found is not None and found["metadata"]["uid"] == meta["uid"]:
        store.update(resource, {**found, "status": {**found.get("status", {}), **status}})
