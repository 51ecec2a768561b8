"""Reads and writes `milestone_info`: brace blocks of `"key": "value",` lines, nearly JSON and yet not."""

import re
from collections.abc import Iterable, Iterator

from farfield_virl.bearings import COMPASS
from farfield_virl.data.faults import BadData
from farfield_virl.routes import Milestone

_BLOCK = re.compile(r"\{([^{}]*)\}")
_HEADING = re.compile(r"(\d{1,3})\s*\(\s*([a-z]+)\s*\)")
_HEADING_KEY, _LANDMARK_KEY = "to_next_intersection_heading", "landmarks"
_NOTHING = "No landmark"


def parse_milestones(text: str) -> Iterator[Milestone]:
    """One milestone for each block."""
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise BadData("milestone_info has no block in braces")
    for number, block in enumerate(blocks, 1):
        yield _milestone(number, dict(_pairs(block)))


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        key, colon, value = line.strip().removesuffix(",").partition(":")
        if colon:
            yield key.strip().strip('"'), value.strip().removeprefix('"').removesuffix('"')


def _milestone(number: int, pairs: dict[str, str]) -> Milestone:
    if _HEADING_KEY not in pairs:
        raise BadData(f"block {number} of milestone_info has no key '{_HEADING_KEY}'")
    found = _HEADING.fullmatch(pairs[_HEADING_KEY].strip())
    if not found or found[2] not in COMPASS:
        raise BadData(
            f"block {number} of milestone_info: {_HEADING_KEY} is '{pairs[_HEADING_KEY]}', "
            "not a heading such as '298 (northwest)'"
        )
    landmark = pairs.get(_LANDMARK_KEY, "")
    if landmark.lower().startswith(_NOTHING.lower()):
        landmark = ""
    return Milestone(int(found[1]) % 360, found[2], landmark)


def write_milestones(milestones: Iterable[Milestone]) -> str:
    """The text that `parse_milestones` reads. A landmark has neither braces nor line ends."""
    return "\n".join(_block(number, milestone) for number, milestone in enumerate(milestones, 1))


def _block(number: int, milestone: Milestone) -> str:
    pairs = {
        "intersection_idx": number,
        _LANDMARK_KEY: milestone.landmark or _NOTHING,
        _HEADING_KEY: f"{milestone.heading} ({milestone.direction})",
    }
    return "\n".join(["{", *(f'"{key}": "{value}",' for key, value in pairs.items()), "}\n"])
