"""Arrays and structs on the wire."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_kernel.errors import InvalidArgument
from farfield_kernel.wire import (
    floats_from_bytes,
    floats_to_bytes,
    ids_from_bytes,
    ids_in,
    ids_to_bytes,
    struct_from,
    struct_to_dict,
)


@given(st.lists(st.integers(0, 2**31 - 1)))
def test_ids_are_little_endian_int32(ids: list[int]) -> None:
    assert ids_to_bytes(ids) == struct.pack(f"<{len(ids)}i", *ids)
    assert ids_from_bytes(ids_to_bytes(ids)) == ids
    assert ids_in(ids_to_bytes(ids)) == len(ids)


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_floats_are_little_endian_float32(values: list[float]) -> None:
    assert floats_to_bytes(values) == struct.pack(f"<{len(values)}f", *values)
    assert floats_from_bytes(floats_to_bytes(values)) == values


@pytest.mark.parametrize("read", [ids_from_bytes, floats_from_bytes])
def test_a_torn_array_is_refused(read) -> None:
    with pytest.raises(InvalidArgument, match="5 bytes"):
        read(b"12345")


def test_structs_come_back_with_integers() -> None:
    values = {"target": 24, "rate": 0.5, "faces": {"J": 11}, "list": [1, "a", None, True], "big": 2**53}
    back = struct_to_dict(struct_from(values))
    assert back == values
    assert type(back["target"]) is int
    assert type(back["list"][0]) is int
    assert type(back["list"][3]) is bool
    assert struct_to_dict(struct_from({})) == {}
    assert struct_to_dict(struct_from({"inf": float("inf")})) == {"inf": float("inf")}
