"""The vocabulary of the synthetic cities and of the compact prompt form."""

from itertools import product

from farfield_virl.bearings import COMPASS

# fmt: off
FIRST_NAMES = (
    "Amber", "Birch", "Coral", "Delta", "Ember", "Falcon", "Golden", "Harbor", "Iron", "Jade",
    "Lotus", "Maple", "Nova", "Opal", "Pearl", "Quartz", "River", "Silver", "Tiger", "Violet",
)
KINDS = (
    "Bakery", "Bank", "Books", "Cafe", "Chapel", "Cinema", "Clinic", "Diner",
    "Gallery", "Garage", "Gym", "Hotel", "Market", "Museum", "School", "Theater",
)
# fmt: on
PLACES = tuple(map(" ".join, product(FIRST_NAMES, KINDS)))
"""Every name that a place may have."""

ACTION_WORDS = ("forward", "stop", "turn")
SIDE_WORDS = ("slightly", "left", "right", "front", "behind")
STRUCTURE_WORDS = (
    *("actions", "way", "face", "go", "end", "past", "now"),
    *("see", "do", "act", "none", "view", "crossing", ","),
)
FEEDBACK_WORDS = ("wrong", "unknown", "answer", "action", "crossing", "landmark")

COMPACT_WORDS = tuple(
    dict.fromkeys(
        (
            *STRUCTURE_WORDS,
            *ACTION_WORDS,
            *SIDE_WORDS,
            *COMPASS,
            *FEEDBACK_WORDS,
            *(word.lower() for word in (*FIRST_NAMES, *KINDS)),
        )
    )
)
"""Every word that the compact form of a synthetic city needs, apart by single spaces, each once."""
