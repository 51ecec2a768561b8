"""HorizontalPodAutoscalers: their bounds alone are kept; there is no load to measure."""

from tests.cluster.controllers.owning import condition, report
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

AUTOSCALERS = BY_KIND["HorizontalPodAutoscaler"]


def reconcile(store: Store) -> None:
    for one in store.all(AUTOSCALERS):
        _bound(store, one)


def _bound(store: Store, one: Object) -> None:
    spec, target = one["spec"], one["spec"]["scaleTargetRef"]
    resource = BY_KIND[target["kind"]]
    scaled = store.find(resource, one["metadata"]["namespace"], target["name"])
    if scaled is None:
        return
    now = scaled["spec"]["replicas"]
    wanted = min(max(now, spec.get("minReplicas", 1)), spec["maxReplicas"])
    scaled["spec"]["replicas"] = wanted
    store.update(resource, scaled)
    conditions = [
        condition(one, "AbleToScale", True, "ReadyForNewScale"),
        condition(one, "ScalingActive", False, "FailedGetResourceMetric"),
    ]
    status = {
        "currentReplicas": now,
        "desiredReplicas": wanted,
        "currentMetrics": None,
        "conditions": conditions,
    }
    report(store, AUTOSCALERS, one, status)
