"""What a reward plan needs of the service that judges by it."""

from collections.abc import Iterator

from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan


def nodes(plan: RewardPlan) -> Iterator[RewardPlan]:
    """The plan and everything below it."""
    yield plan
    for below in _below(plan):
        yield from nodes(below)


def leaves(plan: RewardPlan) -> list[Leaf]:
    return [node.leaf for node in nodes(plan) if node.WhichOneof("node") == "leaf"]


def named(plan: RewardPlan) -> set[str]:
    """Plans of a service's own configuration that are named in it."""
    return {node.named for node in nodes(plan) if node.WhichOneof("node") == "named"}


def _below(plan: RewardPlan) -> list[RewardPlan]:
    kind = plan.WhichOneof("node")
    if kind == "weighted_sum":
        return [term.plan for term in plan.weighted_sum.terms]
    if kind == "gate":
        return [plan.gate.condition, plan.gate.plan]
    if kind in ("max", "sequential"):
        return list(getattr(plan, kind).plans)
    if kind in ("clip", "shaping", "length"):
        return [getattr(plan, kind).plan]
    return []
