"""What a player of a well-known game is told: its rules, its actions by name, where it stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Solved = Literal["terminated"] | float
"""`terminated`: an episode that ends by itself is solved; a number: one with that return at least."""


@dataclass(frozen=True, slots=True)
class Guide:
    rules: str
    actions: tuple[str, ...]
    """Names of the actions 0, 1, …"""
    solved: Solved
    tell: Callable[[Any, Any], str]
    """The observation in words, of the game without its wrappers."""


def _square(game: Any, observation: Any) -> str:
    row, column = divmod(int(observation), game.ncol)
    return f"You are in row {row}, column {column}."


def _cliff_square(game: Any, observation: Any) -> str:
    row, column = divmod(int(observation), game.shape[1])
    return f"You are in row {row}, column {column}."


_PLACES = ("at the red stop (R)", "at the green stop (G)", "at the yellow stop (Y)", "at the blue stop (B)")


def _taxi(game: Any, observation: Any) -> str:
    row, column, passenger, destination = game.decode(int(observation))
    where = (*_PLACES, "in the taxi")[passenger]
    return (
        f"The taxi is in row {row}, column {column}. The passenger is {where} and wants to be "
        f"{_PLACES[destination]}."
    )


def _cards(game: Any, observation: Any) -> str:
    held, shown, ace = map(int, observation)
    return f"You hold {held}{', with an ace counted as 11' if ace else ''}. The dealer shows {shown}."


_LAKE = Guide(
    "Cross the frozen lake from the start S to the goal G over frozen squares F, without falling into a hole "
    "H. Rows count from the top, columns from the left, both from 0. The ice may be slippery.",
    ("left", "down", "right", "up"),
    1.0,
    _square,
)
_CLIFF = Guide(
    "Walk from the lower left corner to the lower right one (row 3, column 11) of a grid of 4 rows and 12 "
    "columns. The squares between them in the last row are a cliff: who steps there is back at the start.",
    ("up", "right", "down", "left"),
    "terminated",
    _cliff_square,
)
_TAXI = Guide(
    "Drive the taxi to the passenger, pick the passenger up, drive to the destination and drop the passenger "
    "off there. Rows count from the top, columns from the left, both from 0; `|` is a wall, `:` none. The "
    "stops are R (0, 0), G (0, 4), Y (4, 0), B (4, 3).",
    ("south", "north", "east", "west", "pickup", "dropoff"),
    "terminated",
    _taxi,
)
_BLACKJACK = Guide(
    "Blackjack: come closer to 21 than the dealer, not over it. Number cards count their number, J, Q and K "
    "10, an ace 1 or 11. Stick to stop, hit for another card; the dealer hits below 17.",
    ("stick", "hit"),
    1.0,
    _cards,
)

GUIDES: Mapping[str, Guide] = {
    "FrozenLake": _LAKE,
    "FrozenLake8x8": _LAKE,
    "CliffWalking": _CLIFF,
    "CliffWalkingSlippery": _CLIFF,
    "Taxi": _TAXI,
    "Blackjack": _BLACKJACK,
}
"""By the name in the id, before its version."""


def guide_of(game_id: str) -> Guide | None:
    return GUIDES.get(game_id.rpartition("-v")[0])
