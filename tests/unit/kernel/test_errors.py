"""Domain errors, their status, and back."""

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from farfield_kernel import errors
from farfield_kernel.errors import (
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    NotFound,
    PluginFailure,
    error_of,
    grpc_code,
    status_of,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FarfieldError) and kind is not FarfieldError
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_wire(kind: type[FarfieldError]) -> None:
    wire = status_of(kind("what, and what to do", retry_after=1.5, reason="WHY")).SerializeToString()
    error = error_of(status_pb2.Status.FromString(wire))
    assert type(error) is kind
    assert (str(error), error.retry_after, error.reason) == ("what, and what to do", 1.5, "WHY")


def test_every_kind_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS) == 13


def test_a_plain_error_has_no_details() -> None:
    assert not status_of(NotFound("x")).details
    assert (error_of(status_of(NotFound("x"))).retry_after, error_of(status_of(NotFound("x"))).reason) == (
        None,
        "",
    )


def test_retry_info_is_the_standard_one() -> None:
    (detail,) = status_of(Exhausted("full", retry_after=0.25)).details
    info = error_details_pb2.RetryInfo()
    assert detail.Unpack(info)
    assert info.retry_delay.ToMilliseconds() == 250


def test_unexpected_errors_keep_their_details_to_themselves() -> None:
    status = status_of(ValueError("password=secret"))
    assert status.code == code_pb2.INTERNAL
    assert "secret" not in status.message


def test_a_code_without_a_kind_is_a_failure() -> None:
    assert type(error_of(status_pb2.Status(code=code_pb2.UNKNOWN, message="?"))) is PluginFailure


def test_unknown_details_are_left_alone() -> None:
    status = status_of(FailedPrecondition("x", reason="WHY"))
    status.details.add().Pack(error_details_pb2.Help())
    assert error_of(status).reason == "WHY"


def test_grpc_codes() -> None:
    assert grpc_code(NotFound("x")) is grpc.StatusCode.NOT_FOUND
    assert grpc_code(KeyError("x")) is grpc.StatusCode.INTERNAL
