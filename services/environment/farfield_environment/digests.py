"""Digests of histories: equal digests, equal episodes so far.

An observation counts as its protobuf encoding in field order, images by their digests alone. It holds no
map, float or unknown field, so that every implementation encodes it alike. Metrics are left out: they may
be clock times.
"""

import hashlib

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2


def start_digest(start: pb.Started, visual: bool) -> str:
    """SHA-256 over the first observation and the facts."""
    return _digest("start", start.facts_json, start.observation, visual)


def outcome_digest(previous: str, outcome: pb.Outcome, visual: bool) -> str:
    """SHA-256 over the digest before and this outcome."""
    head = f"{previous} {outcome.turn} {outcome.state} {outcome.success:d}"
    return _digest(head, outcome.facts_json, outcome.observation, visual)


def _digest(head: str, facts: str, observation: pb.Observation, visual: bool) -> str:
    """The facts' length keeps them apart from what follows."""
    shown = (_bare(observation) if visual else observation).SerializeToString(deterministic=True)
    return hashlib.sha256(f"{head} {len(facts)} {facts}".encode() + shown).hexdigest()


def _bare(observation: pb.Observation) -> pb.Observation:
    """A copy without the bytes of images."""
    bare = pb.Observation(fresh_context=observation.fresh_context)
    for message in observation.messages:
        parts = bare.messages.add(role=message.role).parts
        for part in message.parts:
            if part.HasField("image"):
                parts.add(image=types_pb2.Image(media_type=part.image.media_type, sha256=part.image.sha256))
            else:
                parts.add(text=part.text)
    return bare
