"""What a call came to, as the name of its status code."""

from collections.abc import Callable
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from farfield_conformance.check import Failed

OK = "OK"
DETAILS = "grpc-status-details-bin"


def called(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of a whole call."""
    try:
        call()
    except grpc.RpcError as error:
        return code_of(error), details_of(error)
    return OK, ""


def code_of(error: grpc.RpcError) -> str:
    return str(error.code().name)


def details_of(error: grpc.RpcError) -> str:
    return str(error.details() or "")


def retry_delays(error: grpc.RpcError) -> list[float]:
    """Seconds of each RetryInfo that a failed call carries."""
    found = []
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    found.append(info.retry_delay.ToNanoseconds() / 1e9)
    return found


def named(status: status_pb2.Status) -> str:
    """Code of one item's error."""
    return str(code_pb2.Code.Name(status.code))


def expect_code(found: tuple[str, str] | str, expected: str, what: str) -> None:
    """That a call or an item came to this code."""
    code, said = (found, "") if isinstance(found, str) else found
    if code != expected:
        raise Failed(f"{what}: {code}, not {expected}" + (f" ({short(said)})" if said else ""))


def short(text: object, most: int = 160) -> str:
    """A value in a line of the report."""
    shown = text if isinstance(text, str) else repr(text)
    return shown if len(shown) <= most else f"{shown[:most]}… ({len(shown)} characters)"
