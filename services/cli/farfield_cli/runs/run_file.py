"""Run configs as people write them: YAML, perhaps over another file, with paths relative to the file.

`extends: FILE` lays a file over another, section by section. `base` is resolved here; everything else is
checked by the trainer, which owns the schema.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from farfield_kernel.errors import InvalidArgument, NotFound

Config = dict[str, Any]


def read_for_pods(path: Path) -> Config:
    """The run config in `path`, for a trainer whose files are not this machine's: `base` stays as written."""
    config = _read(path, here=False)
    base = str(config.get("base", ""))
    if base and not base.startswith("/"):
        raise InvalidArgument(
            f"base: {base} is a path of this machine; in a cluster write where the trainer's pods have it, "
            "e.g. /models/base"
        )
    return config


def read(path: Path) -> Config:
    """The run config in `path`."""
    return _read(path, here=True)


def _read(path: Path, *, here: bool) -> Config:
    def one(path: Path) -> Config:
        if not path.is_file():
            raise NotFound(f"no run config {path}; examples are in examples/demo")
        data = mapping(path, "a run config")
        if here and "base" in data:
            data["base"] = str(resolved(path.parent, str(data["base"])))
        return data

    return layered(path, one)


def layered(path: Path, read_one: Callable[[Path], Config], above: tuple[Path, ...] = ()) -> Config:
    """A file over the one that it extends. `above`: those that extend it."""
    data = read_one(path)
    parent = data.pop("extends", None)
    if not parent:
        return data
    if not isinstance(parent, str):
        raise InvalidArgument(f"{path}: extends: {parent!r} is no file's name; write extends: FILE")
    above = (*above, path.resolve())
    if (path.parent / parent).resolve() in above:
        raise InvalidArgument(f"{path}: extends: {parent} leads in a circle")
    return overlaid(layered(path.parent / parent, read_one, above), data)


def mapping(path: Path, what: str) -> Config:
    """The keys in a file of YAML; `what` it is, for people."""
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path} is not text in UTF-8: {error}") from None
    except yaml.YAMLError as error:
        raise InvalidArgument(f"{path} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise InvalidArgument(f"{path}: {what} is a mapping of keys, found {type(data).__name__}")
    return data


def resolved(folder: Path, base: str) -> Path:
    """A checkpoint's folder as an absolute path."""
    return (folder / Path(base).expanduser()).resolve()


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> Config:
    """`over` on top of `under`: mappings are merged, anything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlaid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
