"""All experiments of some folders in Markdown: what every arm came to, and what became of every claim."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from farfield_cli.experiment.judging import verdict
from farfield_cli.experiment.pages import result, view
from farfield_cli.runs.run_folder import Json
from farfield_kernel.errors import DataLoss, NotFound


def read(folders: Iterable[Path]) -> list[Json]:
    """The results in these folders, or in those directly below them. NotFound where there is none."""
    found = [path for folder in folders for path in _files(folder)]
    if not found:
        raise NotFound(f"no {result.FILE} there; `farfield experiment run` and `report` write it")
    return [_read(path) for path in dict.fromkeys(found)]


def _files(folder: Path) -> list[Path]:
    own = folder / result.FILE
    return [own] if own.is_file() else sorted(folder.glob(f"*/{result.FILE}"))


def _read(path: Path) -> Json:
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise DataLoss(f"{path} is torn: {error}; write it anew with `farfield experiment report`") from None


def markdown(found: Sequence[Json]) -> str:
    shifts = [shift for shift in view.SHIFTS if any(shift in _suites(data) for data in found)]
    arms = [_arm(data, arm, shifts) for data in found for arm in data["arms"]]
    claims = [_claim(data, claim) for data in found for claim in data["claims"]]
    heading = ("experiment", "arm", *(f"{view.SHIFTS[shift]}, %" for shift in shifts))
    lines = [
        f"**{_name(data)}**{'' if data['finished'] else ' (not finished)'}: {data['verdict']['line']}"
        for data in found
    ]
    parts = [
        _table(heading, arms),
        _table(("experiment", "claim", "", "measured", "control"), claims),
        *lines,
    ]
    return "\n\n".join(parts) + "\n"


def _name(data: Json) -> str:
    seeds = len(data["seeds"])
    return f"{data['name']}, {data['scale']}, {seeds} seed{'s' if seeds > 1 else ''}"


def _suites(data: Json) -> dict[str, str]:
    """The first suite of each shift: an experiment's own, before the same in other sampling."""
    found: dict[str, str] = {}
    for name, suite in data["suites"].items():
        found.setdefault(suite["shift"], name)
    return found


def _arm(data: Json, arm: str, shifts: Sequence[str]) -> tuple[str, ...]:
    suites, metric = _suites(data), view.headline(data)
    cells = [
        _moved(view.curves(data, suites[shift], metric)[arm]) if shift in suites else "" for shift in shifts
    ]
    return (_name(data), data["arms"][arm]["label"], *cells)


def _moved(curve: Sequence[view.CurvePoint]) -> str:
    """22.1 → 7.4 ± 1.0"""
    cell = view.cell(curve, ())
    if cell is None:
        return "–"
    return f"{cell.start} → {cell.end} ± {cell.error}" if cell.start else f"{cell.end} ± {cell.error}"


def _claim(data: Json, claim: Json) -> tuple[str, ...]:
    control = claim["control"]["status"] if claim["controlled"] else None
    standing = verdict.standing(claim["status"], control)  # that of an older file has no control in it
    return (_name(data), claim["text"], standing, claim["why"], control or "without its control")


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (heading, ["---"] * len(heading), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
