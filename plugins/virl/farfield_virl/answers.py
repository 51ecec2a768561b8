"""The two forms of answer: what is read from a response, and how a good one is written."""

import json
import re
from dataclasses import dataclass
from typing import Literal

from farfield_virl.actions import FORWARD, STOP, turn

PromptForm = Literal["paper", "compact"]

TAIL = 16_384
"""Characters of a response that are searched, from its end. A longer one may think aloud first."""
KEYS = ("current observation", "current instruction", "action")
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_LAST_COMMA = re.compile(r",\s*\}\Z")
_TURN = re.compile(r"turn_direction\((.*)\)")


@dataclass(frozen=True, slots=True)
class Answer:
    observation: str
    instruction: str
    action: str


def parse(response: str, form: PromptForm) -> Answer | None:
    """The answer in a response, or None for a malformed one."""
    return _parse_paper(response) if form == "paper" else _parse_compact(response)


def compose(form: PromptForm, observation: str, instruction: str, action: str) -> str:
    """A well-formed answer."""
    if form == "compact":
        return f"see {observation} do {instruction} act {compact_action(action)}"
    return json.dumps(dict(zip(KEYS, (observation, instruction, action), strict=True)), ensure_ascii=False)


def compact_action(action: str) -> str:
    """`turn_direction(slightly left)` as `turn slightly left`."""
    found = _TURN.fullmatch(action)
    return f"turn {found[1]}" if found else action.removesuffix("()")


def _parse_paper(response: str) -> Answer | None:
    """The last JSON object in the response that has all three keys, whatever stands around it. A comma
    before its closing brace is let pass: answers in the published training data have one."""
    for text in reversed(_FLAT_OBJECT.findall(response[-TAIL:])):
        found = _load(_LAST_COMMA.sub("}", text))
        if isinstance(found, dict) and all(isinstance(found.get(key), str) for key in KEYS):
            return Answer(*(found[key].strip() for key in KEYS))
    return None


def _load(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_compact(response: str) -> Answer | None:
    """`see … do … act …`, and nothing else."""
    words = f"{' '.join(response[-TAIL:].split())} "
    before, act, action = words.rpartition(" act ")
    observation, do, instruction = before.partition(" do ")
    if not (act and do and observation.startswith("see ") and action.strip()):
        return None
    return Answer(observation.removeprefix("see "), instruction, _action(action.strip()))


def _action(words: str) -> str:
    """`turn slightly left` as `turn_direction(slightly left)`."""
    return {"forward": FORWARD, "stop": STOP}.get(words) or turn(words.removeprefix("turn "))
