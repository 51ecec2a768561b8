"""Writes what follows from `farfield/values.yaml`: its schema, and the table of `farfield/README.md`.

`--check` writes nothing and fails when one of them is not what it should be.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from documented import CHART, Value, load
from schema import schema

_BEGIN, _END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


def files() -> Iterator[tuple[Path, str]]:
    values = load()
    yield CHART / "values.schema.json", json.dumps(schema(values), indent=2, ensure_ascii=False) + "\n"
    readme = CHART / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    yield readme, before + _BEGIN + table(values) + _END + after


def table(values: Iterable[Value]) -> str:
    rows = (f"| `{'.'.join(value.path)}` | {_shown(value)} | {value.text} |\n" for value in values)
    return "| value | default | what it is |\n|---|---|---|\n" + "".join(rows)


def _shown(value: Value) -> str:
    if value.default in ("", [], {}):
        return ""
    return f"`{json.dumps(value.default).replace('|', chr(92) + '|')}`"


def main(arguments: list[str]) -> None:
    stale = [(path, text) for path, text in files() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        if stale:
            names = ", ".join(path.name for path, _ in stale)
            sys.exit(f"{names} does not follow from helm/farfield/values.yaml: run `make chart-docs`")
        return
    for path, text in stale:
        path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
