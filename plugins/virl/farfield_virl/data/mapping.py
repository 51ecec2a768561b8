"""The geocode-to-panorama mapping: a JSON file of ours, or the published pickle.

A pickle is a program. Here it is read in three steps: every instruction must be one that builds plain
values, before any of them runs; an unpickler without access to any class or function runs them; and
the result must be a mapping of the right shape.
"""

import io
import json
import pickle
import pickletools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from reprlib import repr  # bounded: lists of lists of lists have no short plain one
from typing import Any, NoReturn

from farfield_virl.bearings import Geocode
from farfield_virl.data.faults import BadData
from farfield_virl.data.files import read_bytes, read_json

FORMAT = "farfield-virl-panoramas-1"
JSON_FILE, PICKLE_FILE = "gps_pano_mapping.json", "gps_pano_mapping.pkl"
Panoramas = Mapping[Geocode, str]

_PANORAMA = re.compile(r"[A-Za-z0-9_-]{1,128}")
# fmt: off
_TUPLES = frozenset(("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE"))
_PLAIN = _TUPLES | frozenset((
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT",
    "BINFLOAT", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "EMPTY_LIST", "LIST",
    "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "MEMOIZE", "PUT", "BINPUT",
    "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "PROTO", "FRAME", "STOP", "MARK",
))
# fmt: on


def load_panoramas(path: Path) -> Panoramas:
    """The mapping in a file, by its suffix."""
    return read_panoramas_json(path) if path.suffix == ".json" else read_panoramas_pickle(path)


def read_panoramas_json(path: Path) -> Panoramas:
    data = read_json(path)
    rows = data.get("panoramas") if isinstance(data, dict) and data.get("format") == FORMAT else None
    if not isinstance(rows, list):
        raise BadData(f"{path}: not a mapping that `python -m farfield_virl.convert` wrote")
    if not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise BadData(f"{path}: a row is not [latitude, longitude, panorama]")
    if not all(isinstance(one, int | float) for row in rows for one in row[:2]):
        raise BadData(f"{path}: a row begins with something else than two numbers")
    return checked(path, {(row[0], row[1]): row[2] for row in rows})


def write_panoramas_json(path: Path, panoramas: Panoramas) -> None:
    rows = [[*geocode, name] for geocode, name in sorted(panoramas.items())]
    path.write_text(json.dumps({"format": FORMAT, "panoramas": rows}) + "\n")


def read_panoramas_pickle(path: Path) -> Panoramas:
    """The mapping in a pickle of plain values; any other pickle is refused and nothing of it runs."""
    data = read_bytes(path)
    inspect(path, data)
    try:
        found = _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # whatever a malformed pickle raises: this is the boundary
        raise BadData(f"{path}: not a valid pickle ({error})") from error
    return checked(path, found)


def inspect(path: Path, data: bytes) -> None:
    """Refuse a pickle that does more than build plain values.

    A tuple may not be used twice: nested twice at every level it would take for ever to hash. Places are
    numbered without gaps, as every pickler does: memory is taken for as many as the highest number says.
    """
    tuples: dict[int, bool] = {}
    made_tuple = False
    for name, argument in _instructions(path, data):
        if name not in _PLAIN:
            raise BadData(
                f"{path}: refused: the pickle has the instruction {name} ({repr(argument)}), which can call "
                "code; only dictionaries, lists, tuples, strings and numbers are read"
            )
        if name.endswith(("PUT", "MEMOIZE")):
            place = len(tuples) if argument is None else argument
            if place > len(tuples):
                raise BadData(f"{path}: refused: the pickle asks for {place:,} places to remember things in")
            tuples[place] = made_tuple
        elif name.endswith("GET"):
            if tuples.get(argument, True):
                raise BadData(f"{path}: refused: the pickle uses one tuple in two places")
        elif name not in ("PROTO", "FRAME"):
            made_tuple = name in _TUPLES


def _instructions(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(data):
            yield opcode.name, argument
    except (ValueError, IndexError) as error:
        raise BadData(f"{path}: not a valid pickle ({error}); is the file complete?") from error


class _PlainUnpickler(pickle.Unpickler):
    """Knows no class, no function and no persistent object."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("a persistent object is not plain data")


def checked(path: Path, found: Any) -> Panoramas:
    """The mapping with its types made sure of."""
    if not isinstance(found, dict):
        raise BadData(f"{path}: holds a {type(found).__name__}, not a mapping from geocodes to panoramas")
    if not found:
        raise BadData(f"{path}: the mapping is empty")
    return {_geocode(path, key): _panorama(path, value) for key, value in found.items()}


def _geocode(path: Path, key: Any) -> Geocode:
    match key:
        case (float() | int() as lat, float() | int() as lng) if abs(lat) <= 90 and abs(lng) <= 180:
            return float(lat), float(lng)
    raise BadData(f"{path}: the key {repr(key)} is not a (latitude, longitude) pair")


def _panorama(path: Path, value: Any) -> str:
    """A name that is safe in a path."""
    if not (isinstance(value, str) and _PANORAMA.fullmatch(value)):
        raise BadData(f"{path}: {repr(value)} is not the name of a panorama")
    return value
