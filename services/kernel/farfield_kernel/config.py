"""Configuration: frozen data from defaults, files, the environment and the command line, in that order.

An unknown key is refused wherever it comes from, and the message names the nearest right one.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from farfield_kernel.errors import InvalidArgument


class Config(BaseModel):
    """Base of every configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


C = TypeVar("C", bound=BaseModel)


def parse(model: type[C], data: Mapping[str, Any], what: str) -> C:
    """`data` as a `model`; raises InvalidArgument that names every wrong key, why, and what is near."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, detail, data) for detail in error.errors()]
        raise InvalidArgument(f"{what} is not valid:\n  " + "\n  ".join(lines)) from None


def _explain(model: type[BaseModel], detail: Any, data: Any) -> str:
    path = ".".join(map(str, _written(detail, data))) or "(whole)"
    if detail["type"] != "extra_forbidden":
        return f"{path}: {detail['msg']}"
    known = _known_keys(model, detail["loc"][:-1])
    near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "known keys: " + ", ".join(sorted(known))
    return f"{path}: unknown key; {hint}"


def _written(detail: Any, data: Any) -> list[Any]:
    """The path as it was written: what pydantic adds to tell a union's members apart is left out."""
    path, parts = [], detail["loc"]
    for part in parts:
        try:
            data = data[part]
        except (LookupError, TypeError):
            if detail["type"] != "missing" or part is not parts[-1]:
                continue
        path.append(part)
    return path or list(parts)


def _known_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Field names at `path`. A union on the way is searched member by member, unless the path says which
    it is."""
    models = [model]
    for part in path:
        inner = [found for outer in models for found in _inner_models(outer, part)]
        models = inner or [one for one in models if _is_member(one, part)] or models
    return sorted({name for found in models for name in found.model_fields})


def _is_member(model: type[BaseModel], tag: Any) -> bool:
    """Whether a union calls the model so: by its class, or by a field's only values."""
    values = (value for field in model.model_fields.values() for value in get_args(field.annotation))
    return tag == model.__name__ or tag in values


def _inner_models(model: type[BaseModel], part: Any) -> Iterator[type[BaseModel]]:
    field = model.model_fields.get(str(part))
    pending = [field.annotation] if field else []
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        pending.extend(get_args(annotation))


def load(model: type[C], prog: str, argv: list[str] | None = None) -> C:
    """The process's configuration. Exits with status 2 and a readable message when it is not valid."""
    try:
        return parse(model, _gather(prog, sys.argv[1:] if argv is None else argv), f"{prog} configuration")
    except (InvalidArgument, OSError, yaml.YAMLError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _gather(prog: str, argv: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog=prog, epilog="Any key can be set as --section.key VALUE.")
    says = "YAML or JSON file; given again, the later file's keys override the earlier's"
    parser.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help=says)
    known, rest = parser.parse_known_args(argv)
    merged: dict[str, Any] = {}
    for path in known.config:
        _merge(merged, _read(path))
    for key, text in [*_environment(prog), *_arguments(rest)]:
        _set(merged, key.split("."), yaml.safe_load(text))
    return merged


def _read(path: Path) -> dict[str, Any]:
    with path.open() as file:  # not its text: an error then names the file and the line
        loaded = yaml.safe_load(file) or {}
    if not isinstance(loaded, dict):
        raise InvalidArgument(f"{path}: expected a mapping of keys, found {type(loaded).__name__}")
    return loaded


def _merge(target: dict[str, Any], later: dict[str, Any]) -> None:
    """Sections are merged key by key; anything else that is there twice is replaced."""
    for key, value in later.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _environment(prog: str) -> Iterator[tuple[str, str]]:
    prefix = prog.upper().replace("-", "_") + "__"
    for name, text in sorted(os.environ.items()):
        if name.startswith(prefix):
            yield name.removeprefix(prefix).lower().replace("__", "."), text


def _arguments(rest: list[str]) -> Iterator[tuple[str, str]]:
    pending = list(rest)
    while pending:
        flag = pending.pop(0)
        if not flag.startswith("--"):
            raise InvalidArgument(f"unexpected argument '{flag}'; write --section.key VALUE")
        key, equals, text = flag.removeprefix("--").partition("=")
        if not equals:
            if not pending:
                raise InvalidArgument(f"{flag} needs a value")
            text = pending.pop(0)
        yield key.replace("-", "_"), text


def _set(target: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = target.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidArgument(f"{'.'.join(path)}: '{part}' is a value, not a section")
        target = inner
    target[path[-1]] = value
