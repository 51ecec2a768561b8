"""Trace ids as W3C Trace Context and OpenTelemetry have them (https://www.w3.org/TR/trace-context/).

An attempt at an episode is one trace. Its id is a hash of its session's id, which each of its requests names:
so a service that gets the requests of many episodes in one call knows the trace of each. Calls of one episode
alone, and of callers outside, carry the header `traceparent`. Spans are named in the logs, and none is
exported.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping

HEADER = "traceparent"
FIELDS = ("trace_id", "span_id", "trace_flags")
"""In the logs, as OpenTelemetry calls them."""

_SHAPE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = "01"


def of(session_id: str) -> dict[str, str]:
    """The ids to log for what belongs to a session."""
    return {"session": session_id, "trace_id": hashlib.sha256(session_id.encode()).hexdigest()[:32]}


def of_request(request_id: str) -> dict[str, str]:
    """The same of a request whose id is `<session id>/<what of it>`, as workers call theirs."""
    session_id, found, _ = request_id.rpartition("/")
    return of(session_id) if found else {}


def begun(session_id: str) -> dict[str, str]:
    """The ids to bind for an attempt that begins here."""
    return {**of(session_id), "span_id": secrets.token_hex(8), "trace_flags": _SAMPLED}


def header(ids: Mapping[str, str]) -> str | None:
    """The header of calls made under these ids; None where they name no trace."""
    if "span_id" not in ids or "trace_id" not in ids:
        return None
    return f"00-{ids['trace_id']}-{ids['span_id']}-{ids.get('trace_flags', _SAMPLED)}"


def read(sent: str) -> dict[str, str]:
    """The ids to bind for a call that came with this header: its trace, and a span of its own. Nothing where
    the header is malformed, as the standard wants."""
    found = _SHAPE.fullmatch(sent)
    if found is None or sent.startswith("ff") or (sent.startswith("00") and found[4]):
        return {}
    if not int(found[1], 16) or not int(found[2], 16):
        return {}
    return {"trace_id": found[1], "span_id": secrets.token_hex(8), "trace_flags": found[3]}
