"""A container's environment variables, and the words in which they are named."""

import base64
import re
from typing import Any

from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

CONFIG_MAPS, SECRETS = BY_KIND["ConfigMap"], BY_KIND["Secret"]
REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")


class NotConfigured(Exception):
    """Something that a pod refers to is not there (yet)."""


def variables(store: Store, pod: Object, container: Object) -> dict[str, str]:
    """Raises NotConfigured."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for kind, name in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if name in source:
                content = contents(store, kind, namespace, source[name]) or {}
                found |= {source.get("prefix", "") + key: value.decode() for key, value in content.items()}
    for one in container.get("env", []):
        value = _value(store, pod, one) if "valueFrom" in one else expanded(one.get("value") or "", found)
        if value is not None:
            found[one["name"]] = value
    return found


def _value(store: Store, pod: Object, variable: Object) -> str | None:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    for kind, name in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if name in source:
            content = contents(store, kind, pod["metadata"]["namespace"], source[name])
            return _key(content, source[name], variable["name"])
    raise NotConfigured(f"{variable['name']}: the toy kubelet does not know {', '.join(source)}")


def _key(content: dict[str, bytes] | None, reference: Object, variable: str) -> str | None:
    if content is not None and reference["key"] in content:
        return content[reference["key"]].decode()
    if reference.get("optional"):
        return None
    raise NotConfigured(f"{variable}: {reference['name']} has no key {reference['key']}")


def contents(store: Store, kind: str, namespace: str, reference: Object) -> dict[str, bytes] | None:
    """What a ConfigMap or a Secret holds; None for an optional one that is not there."""
    name = reference.get("name") or reference["secretName"]
    one = store.find(BY_KIND[kind], namespace, name)
    if one is None:
        if reference.get("optional"):
            return None
        raise NotConfigured(f"{kind} {name} is not there")
    data = one.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary = {key: base64.b64decode(value) for key, value in (one.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in data.items()} | binary


def field(pod: Object, path: str) -> str:
    """`metadata.name`, `metadata.labels['a']`, `status.podIP`, …"""
    if keyed := re.match(r"metadata\.(labels|annotations)\['(.+)'\]$", path):
        return pod["metadata"].get(keyed[1], {}).get(keyed[2], "")
    value: Any = pod
    for word in path.split("."):
        value = value.get(word, "")
    return str(value)


def expanded(text: str, known: dict[str, str]) -> str:
    """`$(NAME)` of known names is replaced, `$$` is one dollar."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[0])

    return REFERENCE.sub(replace, text)
