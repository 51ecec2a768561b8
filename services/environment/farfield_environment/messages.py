"""Between the SDK's plain types and the contract's messages, and the digests over them.

A plugin's answer is not trusted: what has the wrong type or size raises `Nonsense`, which names the
field.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_kernel.errors import PluginFailure
from farfield_sdk import Demonstration, Image, Message, Observation, Outcome, Start, State, Text

_STATES = {
    State.CONTINUE: types_pb2.STATE_CONTINUE,
    State.TERMINATED: types_pb2.STATE_TERMINATED,
    State.TRUNCATED: types_pb2.STATE_TRUNCATED,
}
_ROLES = {
    "system": types_pb2.ROLE_SYSTEM,
    "user": types_pb2.ROLE_USER,
    "assistant": types_pb2.ROLE_ASSISTANT,
}

T = TypeVar("T")
P = TypeVar("P")


class Nonsense(PluginFailure):
    """A plugin's answer is not what its protocol asks for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one plugin's answers must keep to."""

    modalities: frozenset[str]
    max_observation_bytes: int
    max_facts_bytes: int


def _read(answer: Any, expected: type[T], convert: Callable[[T, Rules], P], rules: Rules) -> P:
    """`convert(answer)`, where whatever a wrong type raises on the way becomes Nonsense."""
    if not isinstance(answer, expected):
        raise Nonsense(f"answered {type(answer).__name__} where {expected.__name__} is asked for")
    try:
        return convert(answer, rules)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise Nonsense(f"a malformed {expected.__name__}: {type(error).__name__}: {error}") from error


def started(start: Any, rules: Rules) -> pb.Started:
    """The answer of `reset`: observation and facts are filled in."""
    return _read(start, Start, _started, rules)


def _started(start: Start, rules: Rules) -> pb.Started:
    facts = _facts_json(start.facts, rules)
    return pb.Started(observation=_observation(start.observation, rules), facts_json=facts)


def outcome(outcome: Any, rules: Rules) -> pb.Outcome:
    """The answer of `step`: all but turn and digest are filled in."""
    return _read(outcome, Outcome, _outcome, rules)


def _outcome(outcome: Outcome, rules: Rules) -> pb.Outcome:
    if not isinstance(outcome.success, bool):
        raise TypeError(f"success is {outcome.success!r}, not a bool")
    answer = pb.Outcome(state=_STATES[outcome.state], success=outcome.success)
    if outcome.observation != _NOTHING:
        answer.observation.CopyFrom(_observation(outcome.observation, rules))
    if outcome.facts is not None:
        answer.facts_json = _facts_json(outcome.facts, rules)
    if outcome.metrics:
        answer.metrics.update(_finite(outcome.metrics))
    return answer


_NOTHING = Observation()


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"metric '{name}' is {value}")
    return dict(metrics)


def _facts_json(facts: Mapping[str, Any], rules: Rules) -> str:
    text = json.dumps(dict(facts), sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if len(text) > rules.max_facts_bytes or len(text.encode()) > rules.max_facts_bytes:
        raise ValueError(f"facts of more than {rules.max_facts_bytes} bytes")
    return text


def _observation(observation: Observation, rules: Rules) -> pb.Observation:
    converted = [message(one, rules.modalities) for one in observation.messages]
    answer = pb.Observation(messages=converted, fresh_context=observation.fresh_context)
    if answer.ByteSize() > rules.max_observation_bytes:
        raise ValueError(f"an observation of more than {rules.max_observation_bytes} bytes")
    return answer


def message(message: Message, modalities: frozenset[str]) -> types_pb2.Message:
    parts = [_part(part, modalities) for part in message.parts]
    return types_pb2.Message(role=_ROLES[message.role], parts=parts)


def _part(part: Text | Image, modalities: frozenset[str]) -> types_pb2.Part:
    kind = "text" if isinstance(part, Text) else "image"
    if kind not in modalities:
        raise ValueError(f"{kind} in a message, but the plugin declares {sorted(modalities)} alone")
    if isinstance(part, Text):
        return types_pb2.Part(text=part.text)
    if not part.data or not part.media_type.startswith("image/"):
        raise ValueError(f"an image of {len(part.data)} bytes and media type '{part.media_type}'")
    sha256 = hashlib.sha256(part.data).hexdigest()
    return types_pb2.Part(image=types_pb2.Image(media_type=part.media_type, sha256=sha256, data=part.data))


def demonstration(seed: int, given: Any, rules: Rules) -> pb.DemonstrateResponse:
    """One sample, images inline."""
    answer = _read(given, Demonstration, _demonstration, rules)
    answer.seed = seed
    return answer


def _demonstration(given: Demonstration, rules: Rules) -> pb.DemonstrateResponse:
    messages = [message(one, rules.modalities) for one in given.sample.messages]
    targets = sum(one.role == types_pb2.ROLE_ASSISTANT for one in messages)
    if not targets or targets != len(given.weights):
        raise ValueError(f"{len(given.weights)} weights for {targets} assistant messages")
    return pb.DemonstrateResponse(messages=messages, weights=given.weights)


def images(observation: pb.Observation) -> Iterator[types_pb2.Image]:
    for one in observation.messages:
        for part in one.parts:
            if part.HasField("image"):
                yield part.image


def _pieces(observation: pb.Observation) -> Iterator[bytes]:
    """What an observation consists of, images by their digests, as unambiguous bytes."""
    for one in observation.messages:
        yield b"role %d" % one.role
        for part in one.parts:
            if part.HasField("image"):
                yield f"{part.image.media_type} {part.image.sha256}".encode()
            else:
                yield part.text.encode()


def start_digest(start: pb.Started) -> str:
    """SHA-256 over the first observation and the facts."""
    return _digest(b"start", start.observation, start.facts_json)


def outcome_digest(previous: str, answer: pb.Outcome) -> str:
    """SHA-256 over the digest before and this outcome, its metrics aside: those may be clock times."""
    head = f"{previous} {answer.turn} {answer.state} {answer.success:d}".encode()
    return _digest(head, answer.observation, answer.facts_json)


def _digest(head: bytes, observation: pb.Observation, facts: str) -> str:
    """Every piece is preceded by its length, so that no two histories give the same bytes."""
    pieces = [head, facts.encode(), b"%d" % observation.fresh_context, *_pieces(observation)]
    return hashlib.sha256(b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces])).hexdigest()


Answer = TypeVar("Answer", pb.Started, pb.Outcome)


def without(known: frozenset[str], answer: Answer) -> Answer:
    """The answer, with the bytes of known images left out; a copy where that changes it."""
    if not known or not any(image.sha256 in known for image in images(answer.observation)):
        return answer
    copy = type(answer)()
    copy.CopyFrom(answer)
    for image in images(copy.observation):
        if image.sha256 in known:
            image.ClearField("data")
    return copy
