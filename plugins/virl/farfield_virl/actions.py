"""The two action spaces, and how a turn is named in each of them."""

from typing import Literal

from farfield_virl.bearings import COMPASS, wrapped

ActionSpace = Literal["absolute", "relative"]
HeadingMode = Literal["wrapped", "reference"]

FORWARD, STOP = "forward()", "stop()"
TURNS = ("left", "right", "slightly left", "slightly right")
DIRECTIONS: dict[str, tuple[str, ...]] = {"absolute": COMPASS, "relative": TURNS}
"""What `turn_direction` takes, by action space."""


def turn(direction: str) -> str:
    return f"turn_direction({direction})"


ACTIONS: dict[str, tuple[str, ...]] = {
    space: (FORWARD, *map(turn, directions), STOP) for space, directions in DIRECTIONS.items()
}


def relative_turn(heading: float, target: float, mode: HeadingMode) -> str:
    """The side to turn to. More than 45° is left or right, anything else slightly so; straight on
    counts as slightly left, as in the reference.

    `reference` takes the plain difference of the headings, which is wrong across north: from 350° to
    10° it says left. `wrapped` takes the difference the short way round.
    """
    change = target - heading
    if mode == "wrapped":
        change = wrapped(change)
    if abs(change) > 45:
        return "left" if change < 0 else "right"
    return "slightly right" if change > 0 else "slightly left"
