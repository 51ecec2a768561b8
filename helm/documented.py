"""The values of the chart with the comments that document them. A mapping whose own key has no comment is a
section: its keys have theirs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "farfield"
_MARK = "# -- "


@dataclass(frozen=True)
class Value:
    path: tuple[str, ...]
    default: Any
    text: str


def load() -> list[Value]:
    """Every value, in the order of the file. Raises ValueError that names one without a comment."""
    source = (CHART / "values.yaml").read_text()
    comments = dict(_comments(source.splitlines()))
    return list(_values(yaml.safe_load(source), (), comments))


def _values(
    section: Mapping[str, Any], path: tuple[str, ...], comments: Mapping[tuple[str, ...], str]
) -> Iterator[Value]:
    for key, default in section.items():
        here = (*path, key)
        if here in comments:
            yield Value(here, default, comments[here])
        elif isinstance(default, dict) and default:
            yield from _values(default, here, comments)
        else:
            raise ValueError(f"values.yaml: {'.'.join(here)} has no comment that starts with '{_MARK}'")


def _comments(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Of block style alone: what is inside braces belongs to the key before them."""
    path: list[tuple[int, str]] = []
    text = ""
    for line in lines:
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if bare.startswith(_MARK):
            text = bare.removeprefix(_MARK)
        elif bare.startswith("#"):
            text = f"{text} {bare.removeprefix('#').strip()}" if text else ""
        elif bare and not bare.startswith("- "):
            path = [part for part in path if part[0] < indent] + [(indent, bare.partition(":")[0])]
            if text:
                yield tuple(key for _, key in path), text
            text = ""
        else:
            text = ""
