"""What the policy reads: the task, what happened so far, and feedback; in full sentences or in few words."""

from collections.abc import Iterator, Mapping, Sequence

from farfield_sdk import Image, Message, user
from farfield_virl.actions import DIRECTIONS, ActionSpace
from farfield_virl.answers import PromptForm, compact_action
from farfield_virl.judging import Fault
from farfield_virl.rail import AT_INTERSECTION, NOTHING_NEAR, Point, Rail
from farfield_virl.routes import place_and_side

_PAPER_TASK = """\
You walk through a city by written directions. Work out which sentence of the directions applies now, \
and choose what to do next.

Directions:
{directions}

Actions:
- "forward()": walk on, one step.
- "turn_direction(x)": turn to x, which is one of: {turns}.
- "stop()": you are at the destination.
{picture}
So far, observations (O) and actions (A), the latest last:
{history}

Answer with one JSON object with these three keys, and nothing after it:
{{"current observation": "what you observe now", "current instruction": "the sentence of the directions \
that applies now", "action": "one of the actions"}}"""

_PICTURE = """
The picture has four street views from where you stand: front (top left), right (top right), \
back (bottom left) and left (bottom right). See whether a landmark of the directions is in them.
"""

_PAPER_FEEDBACK: Mapping[Fault, str] = {
    Fault.MALFORMED: 'I found no JSON object with the keys "current observation", "current instruction" '
    'and "action" in your answer.',
    Fault.INTERSECTION: "Your observation is wrong about the intersection, and so is your action.",
    Fault.LANDMARK: "There is a landmark that your observation does not name, and your action is wrong.",
    Fault.UNKNOWN: "Your action is not one of the actions. To turn, name one of: {turns}.",
    Fault.ACTION: "Your action is wrong here.",
}

_COMPACT_FEEDBACK: Mapping[Fault, str] = {
    Fault.MALFORMED: "wrong answer",
    Fault.INTERSECTION: "wrong crossing",
    Fault.LANDMARK: "wrong landmark",
    Fault.UNKNOWN: "unknown action",
    Fault.ACTION: "wrong action",
}


def task(form: PromptForm, actions: ActionSpace, rail: Rail, now: int, picture: bytes | None) -> Message:
    """The whole prompt at point `now`: directions, actions, and everything observed and done before."""
    compose = _paper if form == "paper" else _compact
    text = compose(actions, rail, rail.points[:now], rail.points[now], picture is not None)
    return user(Image(picture), text) if picture else user(text)


def observation(form: PromptForm, point: Point) -> str:
    """What is to be observed at a point, as text."""
    return _observed(point) if form == "paper" else _compact_observed(point)


def instruction(form: PromptForm, rail: Rail, point: Point) -> str:
    """The sentence of the directions that applies at a point."""
    sentences = rail.instructions if form == "paper" else tuple(_compact_directions(rail))
    return sentences[point.instruction]


def feedback(form: PromptForm, fault: Fault, actions: ActionSpace) -> str:
    """Why an attempt failed; nothing in it tells the right action."""
    if form == "compact":
        return _COMPACT_FEEDBACK[fault]
    reason = _PAPER_FEEDBACK[fault].format(turns=", ".join(DIRECTIONS[actions]))
    return f"{reason} Try again, in the same form."


def _paper(actions: ActionSpace, rail: Rail, past: Sequence[Point], now: Point, views: bool) -> str:
    number = len(past) + 1
    lines = [f"O_{i}: {_observed(point)}\nA_{i}: {point.action}" for i, point in enumerate(past, 1)]
    seen = "; ".join(["four street views", *_hint(now)]) if views else _observed(now)
    return _PAPER_TASK.format(
        directions="\n".join(f"{i}. {one}" for i, one in enumerate(rail.instructions, 1)),
        turns=", ".join(DIRECTIONS[actions]),
        picture=_PICTURE if views else "",
        history="\n".join([*lines, f"O_{number}: {seen}\nA_{number}: ?"]),
    )


def _observed(point: Point) -> str:
    return "; ".join([point.landmark or NOTHING_NEAR, *_hint(point)])


def _hint(point: Point) -> list[str]:
    return [AT_INTERSECTION] if point.shows_intersection else []


def _compact(actions: ActionSpace, rail: Rail, past: Sequence[Point], now: Point, views: bool) -> str:
    """`actions … way … past … now …`"""
    steps = [f"see {_compact_observed(one)} act {compact_action(one.action)}" for one in past]
    crossing = " crossing" if now.shows_intersection else ""
    seen = f"view{crossing}" if views else _compact_observed(now)
    return (
        f"actions {' , '.join(DIRECTIONS[actions])} way {' , '.join(_compact_directions(rail))} "
        f"past {' , '.join(steps) or 'none'} now see {seen}"
    )


def _compact_directions(rail: Rail) -> Iterator[str]:
    last = len(rail.milestones) - 1
    for index, (milestone, side) in enumerate(zip(rail.milestones, rail.sides, strict=True)):
        yield f"turn {side} face {milestone.direction}"
        goal = "go end" if index == last else "go"
        yield f"{goal} {_compact_landmark(milestone.landmark) or 'crossing'}"


def _compact_observed(point: Point) -> str:
    seen = _compact_landmark(point.landmark) or "none"
    return f"{seen} crossing" if point.shows_intersection else seen


def _compact_landmark(landmark: str) -> str:
    name, side = place_and_side(landmark)
    return f"{name.lower()} {side}".strip()
