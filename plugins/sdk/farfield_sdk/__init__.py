"""What a plugin author needs, and nothing else: plain types and base classes."""

from farfield_sdk.batched import BatchedEnvironment
from farfield_sdk.environment import (
    Demonstration,
    Environment,
    Facts,
    Observation,
    Outcome,
    Sample,
    Start,
    State,
    Variant,
)
from farfield_sdk.messages import Image, Message, Part, Role, Text, assistant, system, user
from farfield_sdk.options import Options
from farfield_sdk.revision import Revision, after_attempt
from farfield_sdk.splits import Split, in_split
from farfield_sdk.verifier import Attempt, Example, Verdict, Verifier

__all__ = [
    "Attempt",
    "BatchedEnvironment",
    "Demonstration",
    "Environment",
    "Example",
    "Facts",
    "Image",
    "Message",
    "Observation",
    "Options",
    "Outcome",
    "Part",
    "Revision",
    "Role",
    "Sample",
    "Split",
    "Start",
    "State",
    "Text",
    "Variant",
    "Verdict",
    "Verifier",
    "after_attempt",
    "assistant",
    "in_split",
    "system",
    "user",
]
