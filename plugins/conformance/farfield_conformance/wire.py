"""Channels, and the contract's values as plain ones."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2

CALL_SECONDS = 60.0
"""Longest that a call of a check may take; services answer for their plugins long before."""
_OPTIONS = [
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_retries", 0),  # every code is to be seen
]


@contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address, options=_OPTIONS) as opened:
        yield opened


def struct_of(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(dict(values))
    return struct


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as plain data. Its numbers are doubles; integral ones become int."""
    return dict(json.loads(json_format.MessageToJson(struct), parse_float=_number))


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
