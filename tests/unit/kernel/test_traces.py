"""Trace ids as the W3C has them."""

import pytest

from farfield_kernel import traces

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_call_goes_on_with_its_callers_trace_and_a_span_of_its_own() -> None:
    ids = traces.read(f"00-{TRACE}-{SPAN}-00")
    assert (ids["trace_id"], ids["trace_flags"]) == (TRACE, "00")
    assert ids["span_id"] != SPAN
    assert traces.header(ids) == f"00-{TRACE}-{ids['span_id']}-00"


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert traces.read(f"01-{TRACE}-{SPAN}-01-what-comes")["trace_id"] == TRACE


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_a_malformed_header_begins_no_trace(sent: str) -> None:
    assert traces.read(sent) == {}


def test_an_attempt_has_one_trace_wherever_its_session_is_named() -> None:
    begun = traces.begun("run/e.1#1")
    assert begun["trace_id"] == traces.of("run/e.1#1")["trace_id"]
    assert traces.of_request("run/e.1#1/3~7") == traces.of("run/e.1#1")
    assert begun["trace_id"] != traces.begun("run/e.1#2")["trace_id"]
    assert traces.read(traces.header(begun) or "")["trace_id"] == begun["trace_id"]


def test_what_is_no_request_of_a_session_has_no_trace() -> None:
    assert traces.of_request("42") == {}
    assert traces.header({"run": "r"}) is None
