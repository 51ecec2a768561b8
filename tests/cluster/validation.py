"""What an object must be like: Kubernetes' own schemas, strictly, and the fields that no update changes."""

from typing import Any

from tests.cluster.errors import Invalid
from tests.cluster.resources import VERSION, Resource
from tests.cluster.schemas import SchemaNotFoundError, ValidationError, validate
from tests.cluster.selectors import matches
from tests.cluster.store import copied

Object = dict[str, Any]

IMMUTABLE = {
    "Deployment": ["selector"],
    "ReplicaSet": ["selector"],
    "Job": ["selector", "template", "completionMode"],
    "PersistentVolumeClaim": ["accessModes", "storageClassName", "volumeName", "volumeMode"],
}
STATEFUL_SET_MAY_CHANGE = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
}


def check(resource: Resource, one: Object) -> None:
    """Raises Invalid. Custom resources have no schema here."""
    if not resource.schema:
        return
    one = copied(one)
    one.pop("status", None)
    for name in ("creationTimestamp", "managedFields"):
        one["metadata"].pop(name, None)
    _without_nulls(one)
    try:
        validate(one, VERSION)
    except (ValidationError, SchemaNotFoundError) as error:
        raise Invalid(
            f'{resource.kind} "{one["metadata"].get("name")}" is invalid: {_words(error)}'
        ) from error
    _check_selector(resource, one)


def _words(error: Exception) -> str:
    path = ".".join(str(part) for part in getattr(error, "path", ()))
    return f"{path}: {getattr(error, 'message', error)}"


def _without_nulls(value: Any) -> None:
    """Typed clients write fields that are not set as null."""
    for item in list(value.values() if isinstance(value, dict) else value):
        if isinstance(item, dict | list):
            _without_nulls(item)
    if isinstance(value, dict):
        for name in [name for name, item in value.items() if item is None]:
            del value[name]


def _check_selector(resource: Resource, one: Object) -> None:
    if resource.kind in ("Deployment", "ReplicaSet", "StatefulSet"):
        labels = one["spec"]["template"].get("metadata", {}).get("labels", {})
        if not matches(one["spec"]["selector"], labels):
            raise Invalid(f"{resource.kind}: spec.template.metadata.labels: `selector` does not match them")


def check_update(resource: Resource, before: Object, after: Object) -> None:
    """Raises Invalid."""
    old, new = before.get("spec", {}), after.get("spec", {})
    if resource.kind == "StatefulSet":
        fixed = [name for name in old.keys() | new.keys() if name not in STATEFUL_SET_MAY_CHANGE]
    else:
        fixed = IMMUTABLE.get(resource.kind, [])
    changed = [name for name in fixed if old.get(name) != new.get(name)]
    if changed:
        raise Invalid(f'{resource.kind} "{after["metadata"]["name"]}": spec.{changed[0]}: field is immutable')
