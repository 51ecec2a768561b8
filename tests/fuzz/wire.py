"""Requests that no client of ours would send, over gRPC to services that run: bytes that are no message, and
messages of every shape that the contract's types allow."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

DOCUMENTED = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "ABORTED",
    "ALREADY_EXISTS",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
}
"""What a request can be answered with while nothing is broken."""
_SECONDS = 20.0
_STREAM_SECONDS = 2.0
_DEEPEST = 3

Method = tuple[MethodDescriptor, str]


def methods(service: ServiceDescriptor) -> Iterator[Method]:
    for method in service.methods:
        yield method, f"/{service.full_name}/{method.name}"


# Requests


def requests(method: MethodDescriptor) -> st.SearchStrategy[bytes]:
    """Half of them messages, half bytes: whole messages that were cut or overwritten, and anything."""
    messages = message(method.input_type).map(lambda one: one.SerializeToString())
    return st.one_of(
        messages, st.binary(max_size=200), st.builds(_torn, messages, st.integers(0), st.binary(max_size=4))
    )


def _torn(data: bytes, place: int, instead: bytes) -> bytes:
    at = place % (len(data) + 1)
    return data[:at] + instead + data[at + len(instead) + place % 2 :]


def message(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Any message of a type; nested ones end at some depth."""
    deep = depth >= _DEEPEST
    fields = {one.name: _values(one, depth) for one in kind.fields if not (deep and one.message_type)}
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: _built(kind, given))


def _built(kind: Any, given: dict[str, Any]) -> Any:
    made = GetMessageClass(kind)()
    for name, value in given.items():
        one = kind.fields_by_name[name]
        if _is_map(one):
            _fill_map(getattr(made, name), one, value)
        elif one.is_repeated:
            getattr(made, name).extend(value)
        elif one.message_type:
            getattr(made, name).CopyFrom(value)
        else:
            setattr(made, name, value)
    return made


def _is_map(one: FieldDescriptor) -> bool:
    return bool(one.message_type and one.message_type.GetOptions().map_entry)


def _fill_map(target: Any, one: FieldDescriptor, value: dict[Any, Any]) -> None:
    for key, item in value.items():
        if one.message_type.fields_by_name["value"].message_type:
            target[key].CopyFrom(item)
        else:
            target[key] = item


def _values(one: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if _is_map(one):
        entry = one.message_type.fields_by_name
        return st.dictionaries(_single(entry["key"], depth), _single(entry["value"], depth + 1), max_size=2)
    single = _single(one, depth)
    return st.lists(single, max_size=3) if one.is_repeated else single


_NAMES = (
    "generalpoints",
    "virl",
    "id",
    "ood",
    "",
    "s",
    "../../etc/passwd",
    "farfield",
    "paper",
    "\x00",
    "9" * 300,
)
_FLOATS = st.floats() | st.sampled_from([0.0, -1.0, 1e308, float("nan"), float("inf")])
_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: st.sampled_from(_NAMES) | st.text(max_size=40),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: _FLOATS,
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 3),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1) | st.integers(0, 3),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 12),
}


def _single(one: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if one.message_type:
        return message(one.message_type, depth + 1)
    if one.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=64)
    return _KINDS[one.cpp_type]


# Calls


@dataclass(slots=True)
class Tally:
    """Cases by method and status, and what no service may do."""

    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    resident: dict[str, int] = field(default_factory=dict)
    """MiB by process, at the end."""

    @property
    def cases(self) -> int:
        return self.codes.total()

    def note(self, path: str, code: str, detail: str, data: bytes) -> None:
        self.codes[path, code] += 1
        if code not in DOCUMENTED:
            self.wrong.append(f"{path}: {code} {detail} for {data.hex()}")


async def send(channel: grpc.aio.Channel, method: Method, data: bytes, tally: Tally) -> None:
    """One request as it is, bytes and all. A stream is given it as its first message and then closed."""
    descriptor, path = method
    try:
        if descriptor.server_streaming:
            await _stream(channel, descriptor, path, data)
        else:
            await channel.unary_unary(path)(data, timeout=_SECONDS)
    except grpc.aio.AioRpcError as error:
        tally.note(path, error.code().name, error.details() or "", data)
    else:
        tally.note(path, "OK", "", data)


async def _stream(channel: grpc.aio.Channel, descriptor: MethodDescriptor, path: str, data: bytes) -> None:
    async def one() -> AsyncIterator[bytes]:
        yield data

    if descriptor.client_streaming:
        call = channel.stream_stream(path)(one(), timeout=_SECONDS)
    else:
        call = channel.unary_stream(path)(data, timeout=_SECONDS)
    try:
        async with asyncio.timeout(_STREAM_SECONDS):
            async for _ in call:
                pass
    except TimeoutError:  # a stream that has more to say: nothing is wrong with it
        call.cancel()
