"""What a client is told when something is wrong: a status, and a body with `error` and `error_type`."""

from typing import Any

from farfield_kernel.errors import (
    UNEXPECTED,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
)


class TgiError(Exception):
    """An answer that is no generation."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type

    @property
    def body(self) -> dict[str, Any]:
        return {"error": str(self), "error_type": self.error_type}


def invalid(reason: str) -> TgiError:
    return TgiError(422, "validation", f"Input validation error: {reason}")


def overloaded() -> TgiError:
    return TgiError(429, "overloaded", "Model is overloaded")


_BY_DOMAIN: dict[type[FarfieldError], tuple[int, str]] = {
    InvalidArgument: (422, "validation"),
    FailedPrecondition: (422, "validation"),
    NotFound: (422, "validation"),
    Exhausted: (429, "overloaded"),
    Unavailable: (503, "unavailable"),
    Unauthenticated: (401, "unauthenticated"),
}


def tgi_error(error: BaseException) -> TgiError:
    """The answer that an exception stands for."""
    if isinstance(error, TgiError):
        return error
    if isinstance(error, Exhausted):
        return overloaded()
    if not isinstance(error, FarfieldError):
        return TgiError(500, "incomplete_generation", UNEXPECTED)
    status, kind = _BY_DOMAIN.get(type(error), (424, "generation"))
    prefix = {"validation": "Input validation error: ", "generation": "Request failed during generation: "}
    return TgiError(status, kind, prefix.get(kind, "") + str(error))
