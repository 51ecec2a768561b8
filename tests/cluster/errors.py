"""What the API refuses, with the status and reason that clients look at."""

from typing import Any


class Refused(Exception):
    """Answered as a Kubernetes `Status`."""

    code, reason = 400, "BadRequest"

    def status(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


class Unauthorized(Refused):
    code, reason = 401, "Unauthorized"


class Forbidden(Refused):
    code, reason = 403, "Forbidden"


class NotFound(Refused):
    code, reason = 404, "NotFound"


class MethodNotAllowed(Refused):
    code, reason = 405, "MethodNotAllowed"


class AlreadyExists(Refused):
    code, reason = 409, "AlreadyExists"


class Conflict(Refused):
    code, reason = 409, "Conflict"


class Expired(Refused):
    code, reason = 410, "Expired"


class UnsupportedMediaType(Refused):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(Refused):
    code, reason = 422, "Invalid"
