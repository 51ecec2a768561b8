"""Every verifier that a plan names, whatever node it is below."""

import pytest

from farfield.verifier.v1.verifier_pb2 import RewardPlan
from farfield_kernel.discovery.plans import leaves, named
from farfield_kernel.reward_plans import reward_plan

LEAF = {"leaf": {"verifier": "x"}}


@pytest.mark.parametrize(
    "plan",
    [
        LEAF,
        {"weighted_sum": {"terms": [{"weight": 1, "plan": LEAF}]}},
        {"gate": {"condition": LEAF, "plan": {"named": "house"}}},
        {"clip": {"plan": LEAF}},
        {"max": {"plans": [LEAF]}},
        {"sequential": {"plans": [LEAF]}},
        {"shaping": {"plan": LEAF, "per_turn": -1}},
        {"length": {"plan": LEAF, "per_token": -1}},
    ],
)
def test_leaves_below_every_node(plan) -> None:
    assert [leaf.verifier for leaf in leaves(reward_plan(plan))] == ["x"]


def test_every_kind_of_node_is_known() -> None:
    """A node that is added to the contract is added here."""
    kinds = {field.name for field in RewardPlan.DESCRIPTOR.oneofs_by_name["node"].fields}
    walked = {"leaf", "named", "weighted_sum", "gate", "clip", "max", "sequential", "shaping", "length"}
    assert kinds == walked


def test_named_plans() -> None:
    assert named(reward_plan({"max": {"plans": [LEAF, {"named": "house"}]}})) == {"house"}
