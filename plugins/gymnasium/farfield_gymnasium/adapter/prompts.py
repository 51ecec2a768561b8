"""Where in a response the action is, and what a player is told."""

import re
from collections.abc import Sequence

from gymnasium import Space

from farfield_gymnasium.adapter.options import ActionForm
from farfield_gymnasium.adapter.spaces import Illegal, asked_for

OPEN, CLOSE = "<action>", "</action>"
_WORD = re.compile(r"-?\d+|[^\W\d]\w*")


def opening(rules: str, space: Space, names: Sequence[str], form: ActionForm) -> str:
    """The rules, and how to act."""
    wanted = asked_for(space, names)
    if form == "tag":
        how = f"In each turn give your action between {OPEN} and {CLOSE}: {wanted}."
    else:
        how = f"In each turn end your response with your action: {wanted}."
    return f"{rules}\n\n{how}" if rules else how


def action_in(response: str, form: ActionForm) -> str:
    """The words of the action; Illegal where there are none."""
    if form == "tag":
        _, opened, rest = response.rpartition(OPEN)
        action, closed, _ = rest.partition(CLOSE)
        if not (opened and closed):
            raise Illegal(f"there is no {OPEN}…{CLOSE} in your response")
        return action.strip()
    words = _WORD.findall(response)
    if not words:
        raise Illegal("there is no word and no number in your response")
    return str(words[-1])
