"""A learner's state in a folder: tensors as safetensors, counters as JSON.

One process writes one file. Several that share a model write one each, with their rows of each tensor, and
note in the file's header which: so any number of processes can read what any other number wrote.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from farfield_kernel.errors import DataLoss

TENSORS, COUNTERS = "learner.safetensors", "learner.json"
_FILES, _ROWS = "learner*.safetensors", "rows"
PARTS = ("weights", "optimizer")

Rows = Mapping[str, tuple[int, int]]
"""Of a tensor that is cut: its first row that is here, and how many there are in all."""


def write(folder: Path, state: dict[str, Any]) -> None:
    """`state` as `Learner.state` gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / TENSORS, keyed(state))
    write_counters(folder, state)


def keyed(state: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{part}:{name}": item for part in PARTS for name, item in state[part].items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], rows: Rows | None = None) -> None:
    noted = {_ROWS: json.dumps(rows)} if rows is not None else None
    save_file({key: item.contiguous().cpu() for key, item in tensors.items()}, path, noted)


def write_counters(folder: Path, state: dict[str, Any]) -> None:
    counters = {name: value for name, value in state.items() if name not in PARTS}
    (folder / COUNTERS).write_text(json.dumps(counters))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows `start` to `stop` of a tensor, in a file."""

    file: Any
    start: int
    stop: int


class Stored:
    """What `write` wrote, read as it is asked for; DataLoss when a file is missing or torn."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: dict[str, list[_Piece]] = {}
        self._shapes: dict[str, list[int]] = {}
        try:
            self.counters: dict[str, Any] = json.loads((folder / COUNTERS).read_text())
            for path in sorted(folder.glob(_FILES)):
                self._add(safe_open(path, "pt"))
        except (OSError, SafetensorError, ValueError) as error:
            raise self._unreadable(error) from error
        if not self._pieces:
            raise self._unreadable("there is no file of tensors")

    def _add(self, file: Any) -> None:
        cut: Rows = json.loads((file.metadata() or {}).get(_ROWS, "{}"))
        for key in file.keys():  # noqa: SIM118 - not a mapping
            shape = file.get_slice(key).get_shape()
            here = shape[0] if shape else 1
            start, total = cut.get(key, (0, here))
            self._pieces.setdefault(key, []).append(_Piece(file, start, start + here))
            self._shapes[key] = [total, *shape[1:]] if shape else []

    def names(self, part: str) -> Iterator[str]:
        return (key.partition(":")[2] for key in self._pieces if key.startswith(part + ":"))

    def shape(self, key: str) -> list[int]:
        """Of the whole tensor."""
        return self._shapes[key]

    def rows(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """The tensor, or these rows of it."""
        stop = (self._shapes[key] or [1])[0] if stop is None else stop
        pieces = sorted(self._pieces[key], key=lambda piece: piece.start)
        try:
            found = [_part(piece, key, start, stop) for piece in pieces if _overlaps(piece, start, stop)]
        except (OSError, SafetensorError) as error:
            raise self._unreadable(error) from error
        whole = found[0] if len(found) == 1 else torch.cat(found or [_none_of(pieces[0], key)])
        if whole.ndim and len(whole) != stop - start:
            raise self._unreadable(f"of {key} there are only {len(whole)} of the rows {start} to {stop}")
        return whole

    def _unreadable(self, why: object) -> DataLoss:
        return DataLoss(f"the learner's state in {self._folder} cannot be read: {why}")


def _overlaps(piece: _Piece, start: int, stop: int) -> bool:
    return piece.start < stop and start < piece.stop


def _part(piece: _Piece, key: str, start: int, stop: int) -> Tensor:
    if start <= piece.start and piece.stop <= stop:
        return piece.file.get_tensor(key)
    return piece.file.get_slice(key)[max(start - piece.start, 0) : stop - piece.start]


def _none_of(piece: _Piece, key: str) -> Tensor:
    """No rows of a tensor."""
    return piece.file.get_slice(key)[0:0]


def check_same(weights: Mapping[str, Tensor], stored: Stored) -> None:
    """DataLoss for weights of other names or shapes."""
    mine = {name: list(item.shape) for name, item in weights.items()}
    theirs = {name: stored.shape(f"weights:{name}") for name in stored.names("weights")}
    wrong = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    if wrong:
        raise DataLoss(f"the state belongs to another model or algorithm; see {', '.join(wrong[:5])}")
