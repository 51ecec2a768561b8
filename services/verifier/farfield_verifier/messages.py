"""Between the contract's messages and the SDK's plain types."""

import json
from typing import Any

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.errors import InvalidArgument
from farfield_sdk import Attempt, Verdict

_STATES = {
    types_pb2.STATE_UNSPECIFIED: "continue",
    types_pb2.STATE_CONTINUE: "continue",
    types_pb2.STATE_TERMINATED: "terminated",
    types_pb2.STATE_TRUNCATED: "truncated",
}


def attempt(message: pb.Attempt) -> Attempt:
    """What a verifier judges."""
    if message.turn < 0:
        raise InvalidArgument(f"turn is {message.turn}: it counts from 0")
    if message.state not in _STATES:
        raise InvalidArgument(f"state {message.state} is unknown to this version of the contract")
    return Attempt(
        response=message.response,
        facts=_facts(message.facts_json),
        turn=message.turn,
        success=message.success,
        state=_STATES[message.state],
        group=message.group,
        response_tokens=message.response_tokens if message.HasField("response_tokens") else None,
    )


def _facts(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"facts_json is not JSON ({error}): pass on what the environment gave"
        ) from None
    if not isinstance(facts, dict):
        raise InvalidArgument(f"facts_json holds a {type(facts).__name__}: it takes a JSON object")
    return facts


def check_sizes(message: pb.Attempt, max_response_bytes: int, max_facts_bytes: int) -> None:
    for name, text, most in (
        ("response", message.response, max_response_bytes),
        ("facts_json", message.facts_json, max_facts_bytes),
    ):
        if len(text) * 4 > most and len(text.encode()) > most:
            raise InvalidArgument(f"{name} has {len(text.encode())} bytes; at most {most} are taken")


def verdict(given: Verdict) -> types_pb2.Verdict:
    return types_pb2.Verdict(
        reward=given.reward,
        correct=given.correct,
        feedback=given.feedback,
        terms=given.terms,
        parseable=given.parseable,
    )
