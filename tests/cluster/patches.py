"""The four ways in which a client patches an object."""

import copy
from typing import Any

import jsonpatch
import yaml

from tests.cluster.errors import Invalid

Object = dict[str, Any]

MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "secrets": ("name",),
}
"""Lists whose elements are merged by one of these keys, the first that they have; others are replaced."""

SETS = {"finalizers"}


def json_patch(one: Object, operations: list[Object]) -> Object:
    try:
        return jsonpatch.apply_patch(one, operations)
    except jsonpatch.JsonPatchException as error:
        raise Invalid(f"the JSON patch does not apply: {error}") from error


def merge_patch(one: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(one) if isinstance(one, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(one: Any, patch: Any) -> Any:
    """As a merge patch, but lists of `MERGE_KEYS` are merged by their elements, and directives are heeded."""
    if not isinstance(patch, dict):
        return patch
    patch = dict(patch)
    directive = patch.pop("$patch", None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return None
    merged = dict(one) if isinstance(one, dict) else {}
    retained = patch.pop("$retainKeys", None)
    if retained is not None:
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            merged[name] = [item for item in merged.get(name, []) if item not in value]
        elif key.startswith("$"):
            continue  # $setElementOrder: an order that no controller here heeds
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(key, merged.get(key), value)
            if merged[key] is None:
                del merged[key]
    return merged


def _merged_value(name: str, old: Any, new: Any) -> Any:
    if not isinstance(new, list):
        return strategic_merge(old, new)
    if name in SETS:
        return [*(old or []), *(item for item in new if item not in (old or []))]
    key = _merge_key(name, new)
    return _merged_list(old or [], new, key) if key else _plain(new)


def _merge_key(name: str, items: list[Any]) -> str | None:
    for key in MERGE_KEYS.get(name, ()):
        if items and all(
            isinstance(item, dict) and key in item for item in items if "$patch" not in item or key in item
        ):
            return key
    return None


def _merged_list(old: list[Object], new: list[Object], key: str) -> list[Object]:
    if any(item.get("$patch") == "replace" and key not in item for item in new):
        return [item for item in new if "$patch" not in item]
    merged = {item.get(key): item for item in old}
    for item in new:
        value = strategic_merge(merged.get(item[key]), item)
        if value is None:
            merged.pop(item[key], None)
        else:
            merged[item[key]] = value
    return list(merged.values())


def _plain(items: list[Any]) -> list[Any]:
    return [item for item in items if not (isinstance(item, dict) and "$patch" in item)]


def apply(one: Object | None, applied: Object, before: Object | None) -> Object:
    """Server-side apply, approximately: what this manager applied `before` and does not apply now is removed,
    the rest is merged as a strategic patch. Fields of other managers are taken without a conflict."""
    kept = copy.deepcopy(one) if one else {}
    if before:
        _drop(kept, before, applied)
    return strategic_merge(kept, applied)


def _drop(one: Any, before: Any, applied: Any) -> None:
    for name, old in before.items():
        if name not in one:
            continue
        if name not in applied:
            del one[name]
        elif isinstance(old, dict) and isinstance(applied[name], dict) and isinstance(one[name], dict):
            _drop(one[name], old, applied[name])
        elif isinstance(old, list) and isinstance(one[name], list):
            one[name] = _dropped_items(name, one[name], old, applied[name])


def _dropped_items(name: str, items: list[Any], before: list[Any], applied: list[Any]) -> list[Any]:
    key = _merge_key(name, before)
    if key is None:
        return items
    olds, news = {item.get(key): item for item in before}, {item.get(key): item for item in applied or []}
    kept = [item for item in items if item.get(key) not in olds or item.get(key) in news]
    for item in kept:
        if item.get(key) in olds:
            _drop(item, olds[item[key]], news[item[key]])
    return kept


def parse(body: bytes) -> Any:
    return yaml.safe_load(body)
