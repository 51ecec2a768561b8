"""The rules of the game, shared by the environment and the verifier: is an answer right, and if not, why."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from farfield_virl.actions import ACTIONS, ActionSpace
from farfield_virl.answers import Answer, PromptForm, parse
from farfield_virl.rail import Point
from farfield_virl.routes import place_and_side

LONGEST_OBSERVATION = 1_000
"""Characters of an observation that are looked at."""
_INTERSECTION: Mapping[PromptForm, str] = {"paper": "intersection", "compact": "crossing"}
_DENIAL = r"(?:\b(?:no|not|without)|n't)\s+(?:(?:at|near|see|observe|yet|an?|any|the|landmarks? n?or)\s+)*"
"""What comes before a noun that is denied: a negation, and words that do not turn it to another noun."""


class Fault(Enum):
    """Why an answer is wrong."""

    MALFORMED = "malformed"
    """The response holds no answer in the form asked for."""
    INTERSECTION = "intersection"
    """A wrong action, and the observation is wrong about being at an intersection."""
    LANDMARK = "landmark"
    """A wrong action, and the observation does not name the landmark that is there."""
    UNKNOWN = "unknown"
    """Not one of the actions."""
    ACTION = "action"
    """Another action is called for."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the answer of one turn is held against. `landmark`: the name of the place that is seen."""

    turn: int
    action: str
    intersection: bool
    landmark: str

    @classmethod
    def at(cls, point: Point, turn: int) -> "Target":
        name, _ = place_and_side(point.landmark)
        return cls(turn, point.action, point.shows_intersection, name)


def facts_of(form: PromptForm, actions: ActionSpace, targets: tuple[Target, ...]) -> dict[str, Any]:
    """What the verifier needs. The target of every turn that it may be asked about is labelled with it,
    so that facts from before and from after a step are both enough to judge that step."""
    return {"prompt": form, "actions": actions, "targets": [asdict(target) for target in targets]}


def target_of(facts: Mapping[str, Any], turn: int) -> Target:
    for target in facts["targets"]:
        if target["turn"] == turn:
            return Target(**target)
    turns = [target["turn"] for target in facts["targets"]]
    raise ValueError(f"the facts are of turns {turns}, not of turn {turn}")


def judge(target: Target, response: str, form: PromptForm, actions: ActionSpace) -> Fault | None:
    """What is wrong with a response; None when its action is right. A wrong observation alone costs
    nothing, as in the reference: it explains a wrong action."""
    answer = parse(response, form)
    if answer is None:
        return Fault.MALFORMED
    if answer.action == target.action:
        return None
    if claims_intersection(answer, target, form) != target.intersection:
        return Fault.INTERSECTION
    if not names_landmark(answer, target):
        return Fault.LANDMARK
    return Fault.ACTION if answer.action in ACTIONS[actions] else Fault.UNKNOWN


def observes_rightly(target: Target, response: str, form: PromptForm) -> bool:
    """Whether the observation in a response is right: a measure of perception, not a reward."""
    answer = parse(response, form)
    if answer is None:
        return False
    return claims_intersection(answer, target, form) == target.intersection and names_landmark(answer, target)


def claims_intersection(answer: Answer, target: Target, form: PromptForm) -> bool:
    """By the form's word for it, unless that stands in the landmark's own name or is denied."""
    text = answer.observation[:LONGEST_OBSERVATION].casefold()
    if target.landmark:
        text = text.replace(target.landmark.casefold(), "landmark")
    noun = _INTERSECTION[form]
    return noun in re.sub(_DENIAL + noun, "", text)


def names_landmark(answer: Answer, target: Target) -> bool:
    return target.landmark.casefold() in answer.observation.casefold()
