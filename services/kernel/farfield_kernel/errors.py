"""Domain errors, and the one table that maps them to gRPC status.

Code raises these; an interceptor answers with their status. The message is for the caller: it says what
was wrong and what to do. Anything else that is raised becomes INTERNAL with a fixed public message, and
its details go to the log alone.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

UNEXPECTED = "internal error; the service's log has the details"
LONGEST_MESSAGE = 1200
"""Bytes of a public message. Trailers take 8 KiB; it travels in them twice, once percent-encoded."""

CONTEXT_FULL = "CONTEXT_FULL"
WEIGHTS_NOT_SERVED = "WEIGHTS_NOT_SERVED"
IMAGES_UNKNOWN = "IMAGES_UNKNOWN"
"""Reasons that a caller acts upon: they tell apart errors of one code, and travel as ErrorInfo."""
_DOMAIN = "farfield"


class FarfieldError(Exception):
    """Base of the domain errors."""

    code: int = code_pb2.INTERNAL

    def __init__(self, message: str, *, retry_after: float | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reason = reason


class NotFound(FarfieldError):
    """The named thing does not exist here, or no longer."""

    code = code_pb2.NOT_FOUND


class InvalidArgument(FarfieldError):
    """The request is malformed whatever the state of the system."""

    code = code_pb2.INVALID_ARGUMENT


class FailedPrecondition(FarfieldError):
    """The system is not in the state that the request needs."""

    code = code_pb2.FAILED_PRECONDITION


class Conflict(FarfieldError):
    """Another request already decided this differently."""

    code = code_pb2.ABORTED


class AlreadyExists(FarfieldError):
    code = code_pb2.ALREADY_EXISTS


class Exhausted(FarfieldError):
    """Full for now; `retry_after` seconds is a good time to come back."""

    code = code_pb2.RESOURCE_EXHAUSTED


class Unavailable(FarfieldError):
    """Draining, loading or gone; try again, perhaps elsewhere."""

    code = code_pb2.UNAVAILABLE


class DeadlineExceeded(FarfieldError):
    code = code_pb2.DEADLINE_EXCEEDED


class DataLoss(FarfieldError):
    """Stored or replayed data is not what it was."""

    code = code_pb2.DATA_LOSS


class PluginFailure(FarfieldError):
    """A plugin raised, hung or answered nonsense."""

    code = code_pb2.INTERNAL


class Unimplemented(FarfieldError):
    code = code_pb2.UNIMPLEMENTED


class Unauthenticated(FarfieldError):
    code = code_pb2.UNAUTHENTICATED


class PermissionDenied(FarfieldError):
    """Known who asks, and not allowed."""

    code = code_pb2.PERMISSION_DENIED


_BY_CODE: dict[int, type[FarfieldError]] = {
    cls.code: cls
    for cls in (
        NotFound,
        InvalidArgument,
        FailedPrecondition,
        Conflict,
        AlreadyExists,
        Exhausted,
        Unavailable,
        DeadlineExceeded,
        DataLoss,
        PluginFailure,
        Unimplemented,
        Unauthenticated,
        PermissionDenied,
    )
}


def status_of(error: BaseException) -> status_pb2.Status:
    """The public status of an exception."""
    if not isinstance(error, FarfieldError):
        return status_pb2.Status(code=code_pb2.INTERNAL, message=UNEXPECTED)
    status = status_pb2.Status(code=error.code, message=_sendable(str(error)))
    if error.retry_after is not None:
        info = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration())
        info.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        status.details.add().Pack(info)
    if error.reason:
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN))
    return status


def _sendable(text: str) -> str:
    """Fits into trailers, whatever a caller or a plugin put into it."""
    encoded = text[: LONGEST_MESSAGE + 1].encode(errors="replace")
    if len(encoded) <= LONGEST_MESSAGE:
        return encoded.decode()
    return encoded[:LONGEST_MESSAGE].decode(errors="ignore") + " …"


def error_of(status: status_pb2.Status) -> FarfieldError:
    """The domain error that a status stands for, e.g. the error of one item of a batch."""
    retry_after, reason = None, ""
    for detail in status.details:
        retry, info = error_details_pb2.RetryInfo(), error_details_pb2.ErrorInfo()
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(info):
            reason = info.reason
    known = _BY_CODE.get(status.code, PluginFailure)
    return known(status.message, retry_after=retry_after, reason=reason)


def from_rpc_error(error: grpc.RpcError) -> FarfieldError:
    """The domain error that a failed call stands for."""
    status = rpc_status.from_call(error)
    if status is None:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    return error_of(status)


def grpc_code(error: BaseException) -> grpc.StatusCode:
    number = error.code if isinstance(error, FarfieldError) else code_pb2.INTERNAL
    return next(code for code in grpc.StatusCode if code.value[0] == number)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Around a call: a failed call raises the domain error that it stands for."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
