import json

import pytest

from farfield_virl.answers import compose
from farfield_virl.judging import Fault, Target, facts_of, judge, observes_rightly, target_of
from farfield_virl.rewards import reward_terms

AT_CORNER = Target(0, "turn_direction(north)", True, "Oak Bank")
ON_ROAD = Target(0, "forward()", False, "")
AT_GOAL = Target(0, "stop()", False, "Oak Bank")
AT_CAFE = Target(0, "stop()", False, "Kings Crossing Cafe")
AT_INN = Target(0, "turn_direction(north)", True, "Intersection Inn")


def paper(observation: str, action: str) -> str:
    return compose("paper", observation, "Some sentence.", action)


@pytest.mark.parametrize(
    ("target", "observation", "action", "fault"),
    [
        (AT_CORNER, "Oak Bank is on your left; You observe an intersection", "turn_direction(north)", None),
        (AT_CORNER, "nothing", "turn_direction(north)", None),
        (AT_CORNER, "Oak Bank is on your left", "forward()", Fault.INTERSECTION),
        (AT_CORNER, "Oak Bank is on your left, no intersection", "forward()", Fault.INTERSECTION),
        (AT_CORNER, "You observe an intersection", "forward()", Fault.LANDMARK),
        (AT_CORNER, "oak bank on the left at an Intersection", "forward()", Fault.ACTION),
        (AT_CORNER, "Oak Bank; You observe an intersection", "turn_direction(left)", Fault.UNKNOWN),
        (AT_CORNER, "Oak Bank; You observe an intersection", "turn_direction( north )", Fault.UNKNOWN),
        (ON_ROAD, "No landmarks nearby", "forward()", None),
        (ON_ROAD, "No landmarks nearby", "stop()", Fault.ACTION),
        (ON_ROAD, "You observe an intersection", "stop()", Fault.INTERSECTION),
        (ON_ROAD, "There is no intersection here", "stop()", Fault.ACTION),
        (ON_ROAD, "I am not at an intersection", "stop()", Fault.ACTION),
        (ON_ROAD, "No landmarks or intersections nearby", "stop()", Fault.ACTION),
        (AT_CORNER, "Oak Bank, no doubt at an intersection", "forward()", Fault.ACTION),
        (AT_CORNER, "I do not miss Oak Bank at the intersection", "forward()", Fault.ACTION),
        (AT_CORNER, "Not Oak Bank but the intersection", "forward()", Fault.ACTION),
        (AT_CAFE, "Kings Crossing Cafe is on your left", "forward()", Fault.ACTION),
        (AT_CAFE, "Kings Crossing Cafe at an intersection", "forward()", Fault.INTERSECTION),
        (AT_INN, "The Intersection Inn is on your left", "forward()", Fault.INTERSECTION),
        (AT_INN, "No Intersection Inn at the intersection", "forward()", Fault.ACTION),
        (AT_GOAL, "No landmarks nearby", "forward()", Fault.LANDMARK),
        (AT_GOAL, "The destination Oak Bank is on your left", "stop()", None),
    ],
)
def test_faults(target, observation, action, fault):
    assert judge(target, paper(observation, action), "paper", "absolute") is fault


def test_malformed():
    assert judge(ON_ROAD, "forward()", "paper", "absolute") is Fault.MALFORMED
    assert judge(ON_ROAD, paper("none", "forward()"), "compact", "absolute") is Fault.MALFORMED


@pytest.mark.parametrize(
    ("target", "answer", "fault"),
    [
        (AT_CORNER, "see oak bank left crossing do turn left face north act turn north", None),
        (AT_CORNER, "see oak bank left do go oak bank left act forward", Fault.INTERSECTION),
        (AT_CORNER, "see none crossing do go oak bank left act forward", Fault.LANDMARK),
        (AT_CORNER, "see oak bank left crossing do go crossing act turn left", Fault.UNKNOWN),
        (ON_ROAD, "see none do go crossing act forward", None),
        (ON_ROAD, "see none do go crossing act stop", Fault.ACTION),
        (AT_CAFE, "see kings crossing cafe left do go end act forward", Fault.ACTION),
        (AT_CAFE, "see kings crossing cafe left crossing do go end act forward", Fault.INTERSECTION),
    ],
)
def test_compact_faults(target, answer, fault):
    assert judge(target, answer, "compact", "absolute") is fault


def test_the_action_space_decides_what_is_an_action():
    answer = paper("No landmarks nearby", "turn_direction(left)")
    assert judge(ON_ROAD, answer, "paper", "relative") is Fault.ACTION
    assert judge(ON_ROAD, answer, "paper", "absolute") is Fault.UNKNOWN


def test_observations_are_measured_apart_from_actions():
    assert observes_rightly(AT_GOAL, paper("Oak Bank is near", "forward()"), "paper")
    assert not observes_rightly(AT_GOAL, paper("No landmarks nearby", "stop()"), "paper")
    assert not observes_rightly(AT_GOAL, "stop()", "paper")


def test_facts_keep_targets_by_turn():
    targets = (AT_CORNER, Target(1, "forward()", False, ""))
    facts = json.loads(json.dumps(facts_of("paper", "relative", targets)))
    assert (target_of(facts, 0), target_of(facts, 1)) == targets
    with pytest.raises(ValueError, match=r"turns \[0, 1\], not of turn 2"):
        target_of(facts, 2)


def test_rewards():
    assert reward_terms("paper", None, False) == {"correct": 1.0}
    assert reward_terms("paper", Fault.ACTION, False) == {"action": -1.0}
    assert reward_terms("paper", Fault.INTERSECTION, False) == {"intersection": -1.5}
    assert reward_terms("paper", Fault.LANDMARK, True) == {"landmark": -1.5, "budget": -1.0}
    assert reward_terms("paper", Fault.MALFORMED, True) == {"malformed": -1.0, "budget": -1.0}
    assert reward_terms("outcome", Fault.ACTION, True) == {"correct": 0.0}
    assert reward_terms("outcome", None, False) == {"correct": 1.0}


@pytest.mark.parametrize("fault", Fault)
def test_no_fault_earns(fault):
    assert sum(reward_terms("paper", fault, False).values()) < 0
