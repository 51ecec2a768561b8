"""A new distribution with an environment or a verifier, from templates."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import jinja2

from farfield_kernel.errors import AlreadyExists, InvalidArgument

Kind = Literal["env", "verifier"]

TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 24
_SUFFIX = ".j2"
_DESCRIPTIONS = {
    "env": "Addition in a base, for Farfield: an environment and its verifier.",
    "verifier": "A reward for Farfield: does the response end with the right answer?",
}


def written(kind: Kind, name: str, parent: Path) -> Path:
    """The folder of the new distribution, below `parent`. Nothing that exists is touched."""
    values = _values(kind, name)
    folder = parent / values["distribution"]
    if folder.exists():
        raise AlreadyExists(f"{folder} exists: choose another name, or another --path")
    for template, target in _files(kind, values["package"]):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_rendered(template, values))
    return folder


def _values(kind: Kind, name: str) -> dict[str, str]:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidArgument(
            f"{name!r} is no name for a plugin: write small letters, digits and dashes, as in my-game"
        )
    words = name.split("-")
    package = "_".join(["farfield", *words])
    if find_spec(package):
        raise AlreadyExists(f"a package {package} is installed: choose another name")
    return {
        "kind": kind,
        "name": name,
        "package": package,
        "distribution": f"farfield-{name}",
        "cls": "".join(word.capitalize() for word in words),
        "description": _DESCRIPTIONS[kind],
    }


def _files(kind: Kind, package: str) -> Iterator[tuple[Path, Path]]:
    """Each template with the path that it is written to."""
    for source in (TEMPLATES / "shared", TEMPLATES / kind):
        for template in sorted(source.rglob(f"*{_SUFFIX}")):
            target = str(template.relative_to(source)).removesuffix(_SUFFIX)
            yield template, Path(target.replace("__package__", package))
    yield TEMPLATES / "py.typed", Path(package) / "py.typed"


def _rendered(template: Path, values: dict[str, str]) -> str:
    environment = jinja2.Environment(  # noqa: S701 — what it writes is no HTML
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text()).render(values)
