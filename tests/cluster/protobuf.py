"""Kubernetes' protobuf form of the few messages that clients send in it: Helm's Secrets, kubectl's
namespaces, and options of a delete.

Only the fields that are read are declared; numbers are those of Kubernetes' `generated.proto` files.
"""

import base64
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from tests.cluster.errors import UnsupportedMediaType

MAGIC = b"k8s\x00"
Field = descriptor_pb2.FieldDescriptorProto
STRING, BYTES, INT64, BOOL, MESSAGE = (
    Field.TYPE_STRING,
    Field.TYPE_BYTES,
    Field.TYPE_INT64,
    Field.TYPE_BOOL,
    Field.TYPE_MESSAGE,
)
MESSAGES: dict[str, list[tuple[int, str, Any]]] = {
    "TypeMeta": [(1, "apiVersion", STRING), (2, "kind", STRING)],
    "Unknown": [(1, "typeMeta", "TypeMeta"), (2, "raw", BYTES)],
    "Text": [(1, "key", STRING), (2, "value", STRING)],
    "Data": [(1, "key", STRING), (2, "value", BYTES)],
    "ObjectMeta": [
        (1, "name", STRING),
        (2, "generateName", STRING),
        (3, "namespace", STRING),
        (5, "uid", STRING),
        (6, "resourceVersion", STRING),
        (11, "labels", ["Text"]),
        (12, "annotations", ["Text"]),
    ],
    "Secret": [
        (1, "metadata", "ObjectMeta"),
        (2, "data", ["Data"]),
        (3, "type", STRING),
        (4, "stringData", ["Text"]),
    ],
    "Namespace": [(1, "metadata", "ObjectMeta")],
    "Preconditions": [(1, "uid", STRING), (2, "resourceVersion", STRING)],
    "DeleteOptions": [
        (1, "gracePeriodSeconds", INT64),
        (2, "preconditions", "Preconditions"),
        (3, "orphanDependents", BOOL),
        (4, "propagationPolicy", STRING),
        (5, "dryRun", [STRING]),
    ],
}


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="simulator.proto", package="simulator", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            label = Field.LABEL_REPEATED if isinstance(kind, list) else Field.LABEL_OPTIONAL
            kind = kind[0] if isinstance(kind, list) else kind
            added = message.field.add(name=field, number=number, label=label)
            added.type = MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                added.type_name = f".simulator.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()


def _message(name: str, data: bytes) -> Any:
    kind: type[Message] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"simulator.{name}"))
    return kind.FromString(data)


def parse(body: bytes) -> dict[str, Any]:
    """A body of type `application/vnd.kubernetes.protobuf` as the object that its JSON form would be."""
    if not body.startswith(MAGIC):
        raise UnsupportedMediaType("the body does not begin as Kubernetes' protobuf form does")
    outer = _message("Unknown", body[len(MAGIC) :])
    kind = outer.typeMeta.kind
    if kind not in _READERS:
        raise UnsupportedMediaType(f"the simulator reads no {kind or 'object'} in protobuf form; send JSON")
    typed = {"apiVersion": outer.typeMeta.apiVersion, "kind": kind}
    return typed | _READERS[kind](_message(kind, outer.raw))


def _secret(message: Any) -> dict[str, Any]:
    encoded = {item.key: base64.b64encode(item.value).decode() for item in message.data}
    text = {item.key: item.value for item in message.stringData}
    kind = {"type": message.type} if message.type else {}
    return {
        "metadata": _metadata(message.metadata),
        "data": encoded,
        **kind,
        **({"stringData": text} if text else {}),
    }


def _metadata(message: Any) -> dict[str, Any]:
    words = {
        name: getattr(message, name)
        for name in ("name", "generateName", "namespace", "uid", "resourceVersion")
        if getattr(message, name)
    }
    maps = {
        name: {one.key: one.value for one in getattr(message, name)} for name in ("labels", "annotations")
    }
    return words | {name: value for name, value in maps.items() if value}


def _delete_options(message: Any) -> dict[str, Any]:
    names = [name for name in ("gracePeriodSeconds", "propagationPolicy") if message.HasField(name)]
    return {name: getattr(message, name) for name in names} | {"dryRun": list(message.dryRun)}


def _namespace(message: Any) -> dict[str, Any]:
    return {"metadata": _metadata(message.metadata)}


_READERS = {"Secret": _secret, "Namespace": _namespace, "DeleteOptions": _delete_options}
