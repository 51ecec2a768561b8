"""Colours and marks of series, on light and on dark paper.

Told apart by people who see red and green alike (after Okabe & Ito 2008), each with a mark and a dash of its
own, and dark or light enough to be read as text.
"""

from collections.abc import Iterable

LIGHT = ("#1f2328", "#0b62a8", "#b8420c", "#6b6f78", "#007a5e", "#9c3a79", "#7d5c00", "#2b3f9e", "#00697d")
DARK = ("#e7eaee", "#6db6f5", "#ff9461", "#a9adb8", "#4fcfa6", "#e796c6", "#e3bb55", "#a5b4ff", "#6fd3e6")
DASHES = ("1.5 3.5", "", "", "6 4", "", "", "", "2 3", "8 3 2 3")
MARKS = "oos^dvsd^"
"""Of matplotlib; the page draws them too."""
_KNOWN = {"base": 0, "init": 0, "rl": 1, "sft": 2, "sft_matched": 3}
"""Series that look the same wherever they are drawn."""


def places(names: Iterable[str]) -> dict[str, int]:
    """For each series its place in the palette; more series than places begin anew."""
    named = list(names)
    taken = {_KNOWN[name] for name in named if name in _KNOWN}
    free = [place for place in range(len(LIGHT)) if place not in taken] or list(range(len(LIGHT)))
    others = [name for name in named if name not in _KNOWN]
    return {name: _KNOWN[name] for name in named if name in _KNOWN} | {
        name: free[index % len(free)] for index, name in enumerate(others)
    }
