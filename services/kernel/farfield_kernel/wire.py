"""Arrays and structs as the contracts carry them: little-endian bytes, and plain dictionaries."""

import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2

from farfield_kernel.errors import InvalidArgument

_ID, _FLOAT = "i", "f"


def _pack(code: str, values: Iterable[Any]) -> bytes:
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _unpack(code: str, data: bytes) -> list[Any]:
    values = array(code)
    if len(data) % values.itemsize:
        raise InvalidArgument(f"{len(data)} bytes are no whole number of 4-byte values")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def ids_to_bytes(ids: Iterable[int]) -> bytes:
    """Token ids as little-endian int32."""
    return _pack(_ID, ids)


def ids_from_bytes(data: bytes) -> list[int]:
    return _unpack(_ID, data)


def ids_in(data: bytes) -> int:
    """How many."""
    return len(data) // 4


def floats_to_bytes(values: Iterable[float]) -> bytes:
    """Logprobs as little-endian float32."""
    return _pack(_FLOAT, values)


def floats_from_bytes(data: bytes) -> list[float]:
    return _unpack(_FLOAT, data)


def struct_from(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(dict(values))
    return struct


def struct_to_dict(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as plain data. Its numbers are doubles on the wire: integral ones become int."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_to_dict(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)
