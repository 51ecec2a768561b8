"""Between the SDK's plain types and the contract's messages.

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
from farfield_kernel.worker import Nonsense
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
    answer = pb.Started(facts_json=_facts_json(start.facts, rules))
    _fill(answer.observation, start.observation, rules)
    return answer


def outcome(outcome: Any, rules: Rules) -> pb.Outcome:
    """The answer of `step`: all but turn and digest are filled in."""
    return _read(outcome, Outcome, _outcome, rules)


def _outcome(outcome: Outcome, rules: Rules) -> pb.Outcome:
    if not isinstance(outcome.success, bool):
        raise TypeError(f"success is {outcome.success!r}, not a bool")
    answer = pb.Outcome(state=_STATES[outcome.state], success=outcome.success)
    if outcome.observation is not _NOTHING:
        _fill(answer.observation, outcome.observation, rules)
    if outcome.facts is not None:
        answer.facts_json = _facts_json(outcome.facts, rules)
    if outcome.metrics:
        answer.metrics.update(_finite(outcome.metrics))
    return answer


_NOTHING = Outcome(State.CONTINUE).observation
"""The SDK's default, one object for all outcomes."""


FRAMING = 128
"""More than the tags, lengths and fields of fixed size of a message or a part."""
MOST_PER_CHARACTER = 4
"""Bytes of UTF-8."""
MOST_METRICS = 64
"""Of one outcome: names become series of a run's metrics."""


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    if len(metrics) > MOST_METRICS:
        raise ValueError(f"{len(metrics)} metrics; at most {MOST_METRICS} are taken")
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"metric '{name}' is {value}")
    return dict(metrics)


def _facts_json(facts: Mapping[str, Any], rules: Rules) -> str:
    text = json.dumps(dict(facts), sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if len(text) > rules.max_facts_bytes or len(text.encode()) > rules.max_facts_bytes:
        raise ValueError(f"facts of more than {rules.max_facts_bytes} bytes")
    return text


def _fill(target: pb.Observation, observation: Observation, rules: Rules) -> None:
    """In place: a message that is put into another one is copied."""
    if observation.fresh_context:
        target.fresh_context = True
    most = sum(_add(target.messages, message, rules.modalities) for message in observation.messages)
    # The exact size costs an encoding, which copies the images.
    if most > rules.max_observation_bytes and target.ByteSize() > rules.max_observation_bytes:
        raise ValueError(f"an observation of more than {rules.max_observation_bytes} bytes")


def _add(target: Any, message: Message, modalities: frozenset[str]) -> int:
    """The most bytes that the message may take when it is encoded."""
    parts = target.add(role=_ROLES[message.role]).parts
    most = FRAMING
    for part in message.parts:
        if isinstance(part, Text):
            parts.add(text=part.text)
            most += FRAMING + MOST_PER_CHARACTER * len(part.text)
        elif "image" not in modalities:
            raise ValueError(f"an image in a message, but the plugin declares {sorted(modalities)} alone")
        else:
            _fill_image(parts.add().image, part)
            most += FRAMING + MOST_PER_CHARACTER * len(part.media_type) + len(part.data)
    return most


def _fill_image(target: types_pb2.Image, image: Image) -> None:
    if not image.data or not image.media_type.startswith("image/"):
        raise ValueError(f"an image of {len(image.data)} bytes and media type '{image.media_type}'")
    target.media_type = image.media_type
    target.sha256 = hashlib.sha256(image.data).hexdigest()
    target.data = image.data


def demonstration(seed: int, given: Any, rules: Rules) -> pb.DemonstrateResponse:
    """One sample, images inline."""
    answer = _read(given, Demonstration, _demonstration, rules)
    answer.seed = seed
    return answer


def _demonstration(given: Demonstration, rules: Rules) -> pb.DemonstrateResponse:
    answer = pb.DemonstrateResponse(weights=given.weights)
    for message in given.sample.messages:
        _add(answer.messages, message, rules.modalities)
    targets = sum(one.role == types_pb2.ROLE_ASSISTANT for one in answer.messages)
    if not targets or targets != len(given.weights):
        raise ValueError(f"{len(given.weights)} weights for {targets} assistant messages")
    return answer


def images(observation: pb.Observation) -> Iterator[types_pb2.Image]:
    for one in observation.messages:
        for part in one.parts:
            if part.HasField("image"):
                yield part.image


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
