"""docs/operations.md names every alert, failure and code, and quotes lines and commands that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from farfield.trajectory.v1.trajectory_pb2 import Failure
from farfield_cli.__main__ import app
from farfield_kernel import errors
from farfield_kernel.hosted import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
LINES = [text for text in QUOTED if "…" in text or text in ("draining", "plugin raised in its process")]
COMMANDS = sorted({text for text in QUOTED if re.match(r"(farfield|make) [a-z]", text)})
_CODES = {one.value[0]: one.name for one in errors.grpc.StatusCode}
_FEWEST_LETTERS = 6
"""Of a format of the code that a quoted line may be of: "%s: %s" is no line to look for."""


def alerts() -> list[str]:
    groups = yaml.safe_load((ROOT / "helm" / "farfield" / "alerts.yaml").read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def named() -> Iterator[str]:
    yield from alerts()
    yield from (Failure.Name(one).removeprefix("FAILURE_").lower() for one in Failure.values() if one)
    yield from sorted(FAULTS)
    yield from sorted({_CODES[one.code] for one in errors.FarfieldError.__subclasses__()})


@pytest.mark.parametrize("name", [*named()])
def test_the_page_has_a_row_for_it(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", PAGE, re.M)


def logged() -> Iterator[str]:
    """The formats of what services log."""
    for path in sorted((ROOT / "services").glob("*/farfield_*/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.") and node.args:
                text = node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


PATTERNS = [
    "".join(".+?" if part.startswith("%") else re.escape(part) for part in re.split(r"(%[.\d]*[sdrf])", text))
    for text in logged()
    if len(re.sub(r"%[.\d]*[sdrf]|\W", "", text)) >= _FEWEST_LETTERS
]


@pytest.mark.parametrize("line", sorted(set(LINES)))
def test_a_line_that_is_quoted_is_logged(line: str) -> None:
    assert any(re.fullmatch(pattern, line) for pattern in PATTERNS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_told_exists(command: str) -> None:
    program, *words = command.split()
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.M)
        return
    found = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
