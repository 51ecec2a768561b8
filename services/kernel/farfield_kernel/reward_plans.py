"""Reward plans as a person writes them: the JSON form of a RewardPlan, in YAML."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from farfield.verifier.v1.verifier_pb2 import RewardPlan

EXAMPLE = "{leaf: {verifier: generalpoints}}"


def reward_plan(data: Mapping[str, Any]) -> RewardPlan:
    """Raises ValueError that says what to write."""
    try:
        plan = json_format.ParseDict(dict(data), RewardPlan())
    except json_format.ParseError as error:
        raise ValueError(f"not a RewardPlan: {error}; write for example {EXAMPLE}") from None
    if plan.WhichOneof("node") is None:
        raise ValueError(f"an empty RewardPlan: write for example {EXAMPLE}")
    return plan
