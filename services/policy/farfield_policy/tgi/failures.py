"""What a server or the way to it may answer instead of a response, as the kernel's domain errors.

validation (422)                INVALID_ARGUMENT with the server's words; too long a prompt: CONTEXT_FULL
overloaded (429)                RESOURCE_EXHAUSTED with a time to come back
generation (424)                INTERNAL: the model's process failed on this request
incomplete (500), 502-504       UNAVAILABLE
no connection, a torn answer    UNAVAILABLE
a timeout                       DEADLINE_EXCEEDED
401, 403                        FAILED_PRECONDITION: the token is wrong
anything else                   INTERNAL
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from huggingface_hub.errors import (
    GenerationError,
    HfHubHTTPError,
    IncompleteGenerationError,
    InferenceTimeoutError,
    OverloadedError,
    TextGenerationError,
    ValidationError,
)

from farfield_kernel.errors import (
    CONTEXT_FULL,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
)

COME_BACK_SECONDS = 1.0
_TYPES: dict[type[TextGenerationError], str] = {
    ValidationError: "validation",
    OverloadedError: "overloaded",
    GenerationError: "generation",
    IncompleteGenerationError: "incomplete_generation",
}
_TOO_LONG = re.compile(r"`inputs` (tokens \+ `max_new_tokens` must be <=|must have less than)")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Around a call of `what`: raises the domain error that a failure stands for."""
    try:
        yield
    except (InferenceTimeoutError, TimeoutError, httpx2.TimeoutException) as error:
        raise DeadlineExceeded(f"{what} did not answer in time") from error
    except TextGenerationError as error:
        raise _from_server(error) from error
    except HfHubHTTPError as error:
        raise _from_status(error.response, what) from error
    except httpx2.HTTPError as error:
        raise Unavailable(f"{what} cannot be reached: {error or type(error).__name__}") from error
    except json.JSONDecodeError as error:
        raise _event_in(error.doc) or Unavailable(f"{what} gave a torn answer: {error}") from error
    except UnicodeDecodeError as error:
        raise Unavailable(f"{what} gave a torn answer: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PluginFailure(f"{what} gave a garbled answer: {error!r}") from error


def _event_in(text: str) -> FarfieldError | None:
    """The error that a stream reports, inside an answer that is a success by its status."""
    kind, _, event = text.partition(":")
    if kind.strip() != "data":
        return None
    try:
        body = json.loads(event)
        return reported(str(body["error"]), str(body.get("error_type") or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def reported(error: str, error_type: str) -> FarfieldError:
    """The domain error of an error body; `error_type` is the server's own word for its kind."""
    words = error or "(no words)"
    if error_type == "validation":
        if _TOO_LONG.search(words):
            return FailedPrecondition(words, reason=CONTEXT_FULL)
        return InvalidArgument(words)
    if error_type == "overloaded":
        return Exhausted(words, retry_after=COME_BACK_SECONDS)
    if error_type in ("incomplete_generation", "healthcheck"):
        return Unavailable(words)
    return PluginFailure(f"the server failed: {words} ({error_type or 'no error type'})")


def _from_server(error: TextGenerationError) -> FarfieldError:
    """The client has read the error body already; its class says the type where the body is gone."""
    answer = getattr(error.__cause__, "response", None)
    body = _body(answer) if answer is not None else {}
    return reported(
        str(body.get("error") or error), str(body.get("error_type") or _TYPES.get(type(error), ""))
    )


def _from_status(response: httpx2.Response, what: str) -> FarfieldError:
    status = response.status_code
    body = _body(response)
    words = f"{what} answered {status}: {body.get('error') or response.text[:200] or '(no body)'}"
    if body.get("error_type"):
        return reported(str(body["error"]), str(body["error_type"]))
    if status in (401, 403):
        return FailedPrecondition(f"{words}; set engine.token to the server's token")
    if status == 413:
        return InvalidArgument(f"{words}; the request is larger than the server takes")
    if status in (400, 422):
        return InvalidArgument(words)
    if status == 429:
        return Exhausted(words, retry_after=COME_BACK_SECONDS)
    if status in (500, 502, 503, 504):
        return Unavailable(words)
    return PluginFailure(words)


def _body(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
