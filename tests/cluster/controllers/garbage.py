"""What goes when something else has gone: dependents of owners, and all that is in a namespace."""

from tests.cluster.controllers.owning import leaving
from tests.cluster.resources import BY_KIND, Resource
from tests.cluster.store import Object, Store

NAMESPACES, ACCOUNTS = BY_KIND["Namespace"], BY_KIND["ServiceAccount"]
FOREGROUND = "foregroundDeletion"


def reconcile(store: Store) -> None:
    for namespace in store.all(NAMESPACES):
        _tend(store, namespace)
    everything = store.everything()
    there = {one["metadata"]["uid"] for _, one in everything}
    for resource, one in everything:
        owners = {ref["uid"] for ref in one["metadata"].get("ownerReferences", [])}
        if owners and not owners & there:
            _delete(store, resource, one)
        if leaving(one) and FOREGROUND in one["metadata"].get("finalizers", []):
            _delete_dependents(store, resource, one, everything)


def _delete_dependents(
    store: Store, resource: Resource, one: Object, everything: list[tuple[Resource, Object]]
) -> None:
    uid = one["metadata"]["uid"]
    dependents = [
        (of, other)
        for of, other in everything
        if any(ref["uid"] == uid for ref in other["metadata"].get("ownerReferences", []))
    ]
    for of, dependent in dependents:
        _delete(store, of, dependent)
    if not dependents:
        release(store, resource, one, FOREGROUND)


def _tend(store: Store, namespace: Object) -> None:
    name = namespace["metadata"]["name"]
    if not leaving(namespace):
        if store.find(ACCOUNTS, name, "default") is None:
            meta = {"name": "default", "namespace": name}
            store.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        return
    inside = [(of, one) for of, one in store.everything() if one["metadata"].get("namespace") == name]
    for resource, one in inside:
        _delete(store, resource, one)
    if not inside:
        release(store, NAMESPACES, namespace, "kubernetes")


def release(store: Store, resource: Resource, one: Object, finalizer: str) -> None:
    meta = one["metadata"]
    meta["finalizers"] = [other for other in meta.get("finalizers", []) if other != finalizer]
    store.update(resource, one)


def _delete(store: Store, resource: Resource, one: Object) -> None:
    meta = one["metadata"]
    if not leaving(one) and store.find(resource, meta.get("namespace", ""), meta["name"]):
        store.delete(resource, meta.get("namespace", ""), meta["name"])
