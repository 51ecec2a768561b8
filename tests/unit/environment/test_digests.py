import hashlib

import pytest

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_environment.digests import outcome_digest, start_digest


def outcome(**fields: object) -> pb.Outcome:
    return pb.Outcome(**fields)


@pytest.mark.parametrize(
    "other",
    [
        outcome(turn=1),
        outcome(success=True),
        outcome(state=types_pb2.STATE_TERMINATED),
        outcome(facts_json="{}"),
        outcome(observation=pb.Observation(fresh_context=True)),
        outcome(observation=pb.Observation(messages=[types_pb2.Message(role=types_pb2.ROLE_USER)])),
    ],
)
def test_digests_differ(other: pb.Outcome) -> None:
    assert outcome_digest("", other, visual=False) != outcome_digest("", outcome(), visual=False)
    assert outcome_digest("a", other, visual=False) != outcome_digest("", other, visual=False)


def test_digests_do_not_confuse_parts() -> None:
    def digest(*texts: str) -> str:
        parts = [types_pb2.Part(text=text) for text in texts]
        shown = pb.Observation(messages=[types_pb2.Message(parts=parts)])
        return start_digest(pb.Started(observation=shown), visual=False)

    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_digests_leave_metrics_and_inlined_bytes_out() -> None:
    image = types_pb2.Image(media_type="image/png", sha256="2d71")
    shown = pb.Observation(messages=[types_pb2.Message(parts=[types_pb2.Part(image=image)])])
    first = outcome(observation=shown)
    second = outcome(observation=shown, metrics={"seconds": 1.5})
    second.observation.messages[0].parts[0].image.data = b"x"
    assert outcome_digest("", first, visual=True) == outcome_digest("", second, visual=True)
    assert second.observation.messages[0].parts[0].image.data == b"x"


def test_the_bytes_that_are_hashed() -> None:
    """Digests are compared between services of different ages: to change these bytes is to change the
    contract."""
    part = types_pb2.Part(text="say é")
    said = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[part])
    started = pb.Started(observation=pb.Observation(messages=[said]), facts_json='{"a":1}')
    encoded = b"\x0a\x0c\x08\x02\x12\x08\x0a\x06say \xc3\xa9"
    first = hashlib.sha256(b'start 7 {"a":1}' + encoded).hexdigest()
    assert start_digest(started, visual=False) == first
    end = outcome(turn=3, state=types_pb2.STATE_TERMINATED, success=True)
    last = hashlib.sha256(f"{first} 3 2 1 0 ".encode()).hexdigest()
    assert outcome_digest(first, end, visual=False) == last
