"""`values.schema.json`, from the values and their comments: the type of a key is that of its default, and a
key that is not there is refused. JSON Schema draft 7, which both Helm 3 and 4 read."""

from collections.abc import Iterable, Mapping
from typing import Any

from documented import Value

Schema = dict[str, Any]

_PORT = {"minimum": 1, "maximum": 65535}
_QUANTITY = {"pattern": r"^[0-9]+(\.[0-9]+)?([EPTGMk]i?|m)?$"}
_QUANTITY_OR_NONE = {"pattern": r"^([0-9]+(\.[0-9]+)?([EPTGMk]i?|m)?)?$"}
_DIGEST = {"pattern": "^(sha256:[0-9a-f]{64})?$"}
_OBJECT_NAME = {"pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"}
_URL = {"pattern": "^(https?://.+)?$"}
_STRING_VALUES = {"additionalProperties": {"type": "string"}}
_PULL = {"enum": ["Always", "IfNotPresent", "Never"]}
_NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,22}[a-z0-9])?$"}
_PLUGINS = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
_STRINGS = {"items": {"type": "string"}}
_ACCESS = ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]

NARROWER: Mapping[str, Schema] = {
    "common.args": _STRINGS,
    "common.autoscaling.maxReplicas": {"minimum": 1},
    "common.autoscaling.minReplicas": {"minimum": 1},
    "common.autoscaling.targetCPU": {"minimum": 1},
    "common.command": _STRINGS,
    "common.image.digest": _DIGEST,
    "common.image.pullPolicy": _PULL,
    "common.logLevel": {"enum": ["debug", "info", "warning", "error"]},
    "common.metricsPort": {"maximum": 65535},
    "common.podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"]},
    "common.port": _PORT,
    "common.probes.failureThreshold": {"minimum": 1},
    "common.probes.periodSeconds": {"minimum": 1},
    "common.probes.timeoutSeconds": {"minimum": 1},
    "common.shmSize": _QUANTITY_OR_NONE,
    "common.tmpSize": _QUANTITY,
    "common.topologySpread.maxSkew": {"minimum": 1},
    "common.topologySpread.whenUnsatisfiable": {"enum": ["ScheduleAnyway", "DoNotSchedule"]},
    "auth.existingSecret": _OBJECT_NAME,
    "gpuResource": {"minLength": 1},
    "lane": {"pattern": "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"},
    "model.mountPath": {"pattern": "^/"},
    "monitoring.dashboards.labels": _STRING_VALUES,
    "networkPolicy.apiServerPorts": {"items": {"type": "integer", **_PORT}, "minItems": 1},
    "redis.external.port": _PORT,
    "redis.image.pullPolicy": _PULL,
    "redis.mode": {"enum": ["bundled", "external"]},
    "redis.size": _QUANTITY,
    "runs.accessModes": {"items": {"enum": _ACCESS}, "minItems": 1},
    "runs.mountPath": {"pattern": "^/"},
    "rollout.keda.maxReplicas": {"minimum": 1},
    "rollout.keda.pollingSeconds": {"minimum": 1},
    "rollout.keda.threshold": {"minimum": 1},
    "runs.size": _QUANTITY,
    "tgi.args": _STRINGS,
    "tgi.every": {"minimum": 1},
    "tgi.image.digest": _DIGEST,
    "tgi.image.pullPolicy": _PULL,
    "tgi.replicas": {"minimum": 1},
    "tgi.shmSize": _QUANTITY,
    "tgi.startupSeconds": {"minimum": 10},
    "tgi.tmpSize": _QUANTITY,
    "tgi.url": _URL,
    "tls.days": {"minimum": 1},
    "tls.existingSecret": _OBJECT_NAME,
    "trainer.device": {"pattern": "^(|cpu|cuda)$"},
    "trainer.processes": {"minimum": 1},
    "trainer.replicas": {"minimum": 1},
    "trainer.shmSize": _QUANTITY_OR_NONE,
    "vllm.args": _STRINGS,
    "vllm.image.digest": _DIGEST,
    "vllm.image.pullPolicy": _PULL,
    "vllm.logprobsMode": {
        "enum": ["processed_logprobs", "raw_logprobs", "processed_logits", "raw_logits"],
    },
    "vllm.lora.maxRank": {"minimum": 1},
    "vllm.servedName": {"minLength": 1},
    "vllm.shmSize": _QUANTITY,
    "vllm.startupSeconds": {"minimum": 10},
    "vllm.tmpSize": _QUANTITY,
    "vllm.url": _URL,
    "weights.cacheSize": _QUANTITY,
    "weights.port": _PORT,
    "weights.store": {"pattern": "^([a-z][a-z0-9+]*://.+)?$"},
}
"""What a key must be, beside of its default's type."""

_NOT_OF_TRAINER = ("autoscaling", "podDisruptionBudget", "strategy")
"""What the trainer, whose pods stand and fall together, cannot be told."""


def schema(values: Iterable[Value]) -> Schema:
    whole = _section(values)
    common = whole["properties"]["common"]["properties"]
    shared = {key: {"$ref": f"#/definitions/{key}"} for key in common}
    entry = {"name": _NAME, "plugins": _PLUGINS, **shared}
    for key in ("environments", "verifiers"):
        whole["properties"][key]["items"] = {**_object(entry), "required": ["name"]}
    for key in ("policy", "rollout", "trainer"):
        own = whole["properties"][key]["properties"]
        taken = {name: ref for name, ref in shared.items() if key != "trainer" or name not in _NOT_OF_TRAINER}
        whole["properties"][key] = _object({**own, **taken, **_narrowed(key, own)})
    whole["properties"]["common"] = _object(shared)
    whole["properties"]["tests"]["properties"]["image"] = {"$ref": "#/definitions/image"}
    whole["properties"]["global"] = {"type": "object"}  # Helm adds it to a chart that another contains
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole, "definitions": common}


def _narrowed(section: str, own: Schema) -> Schema:
    """What a section says of its own key more narrowly than `common` does."""
    return {name: said for name, said in own.items() if f"{section}.{name}" in NARROWER}


def _section(values: Iterable[Value]) -> Schema:
    whole = _object({})
    for value in values:
        inner = whole
        for part in value.path[:-1]:
            inner = inner["properties"].setdefault(part, _object({}))
        narrower = NARROWER.get(".".join(value.path), {})
        inner["properties"][value.path[-1]] = {"description": value.text, **_type(value.default), **narrower}
    return whole


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _type(default: Any) -> Schema:
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": "integer", "minimum": 0}
    names = {str: "string", list: "array", dict: "object"}
    return {"type": names[type(default)]}
