"""Reads files that came from elsewhere, within limits."""

import json
from pathlib import Path
from typing import Any

from farfield_virl.data.faults import BadData

MOST_BYTES = 256 * 2**20


def read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadData(f"{path}: larger than {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path) -> Any:
    data = read_bytes(path)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: not valid JSON ({error}); is the file complete?") from error


def stamp(path: Path) -> int:
    """Changes when the file does; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0
