"""Claims are bound as soon as they are made; what is behind them is the kubelet's."""

from tests.cluster.resources import BY_KIND
from tests.cluster.store import Store

CLAIMS = BY_KIND["PersistentVolumeClaim"]


def reconcile(store: Store) -> None:
    for claim in store.all(CLAIMS):
        spec = claim["spec"]
        spec.setdefault("volumeName", f"pvc-{claim['metadata']['uid']}")
        claim["status"] = {
            "phase": "Bound",
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
        }
        store.update(CLAIMS, claim)
