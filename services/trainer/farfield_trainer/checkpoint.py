"""Checkpoints: everything that a run needs to go on bit for bit, in folders that are whole or not there.

`<folder>/000012.0/` holds the learner's state, `state.json` (cursors, ledger, counters) and a manifest of
sums. A second checkpoint of one update is `000012.1`, so none is ever replaced.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield_kernel.errors import DataLoss, Exhausted, NotFound
from farfield_kernel.weights import verify
from farfield_trainer.sealed import write_sealed

log = logging.getLogger(__name__)

STATE, TORN = "state.json", ".torn"
_NAME = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An intact checkpoint; `skipped` says why newer ones could not be used."""

    folder: Path
    update: int
    state: dict[str, Any]
    skipped: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, run_id: str, keep: int) -> None:
        self._folder, self._run_id, self._keep = folder, run_id, keep

    def write(self, update: int, save: Callable[[Path], None], state: dict[str, Any]) -> Path:
        """Writes one durably and removes the oldest. On failure the earlier ones are as they were."""

        def fill(folder: Path) -> None:
            save(folder)
            (folder / STATE).write_text(json.dumps(state))

        target = self._free_name(update)
        try:
            write_sealed(target, self._run_id, update, fill)
        except Exhausted as error:
            raise Exhausted(f"no checkpoint of update {update}: {error}. {self._still_there()}") from error
        self._prune()
        return target

    def newest(self) -> Checkpoint | None:
        """The newest intact one. None when none was ever written; DataLoss when all are torn."""
        skipped: list[str] = []
        for folder in reversed(self._all()):
            try:
                verify(folder)
                state = json.loads((folder / STATE).read_text())
            except (DataLoss, NotFound, OSError, ValueError) as error:
                log.error("checkpoint %s cannot be used: %s", folder, error)
                skipped.append(f"{folder.name}: {error}")
                continue
            self._set_torn_aside(folder)
            return Checkpoint(folder, _order(folder)[0], state, tuple(skipped))
        if skipped:
            raise DataLoss("every checkpoint of the run is torn: " + "; ".join(skipped))
        return None

    def evaluating(self) -> set[int]:
        """Versions whose evaluation one of those that are kept would finish: a run may fall back to each."""
        versions: set[int] = set()
        for folder in self._all():
            with suppress(OSError, ValueError):  # a torn one is not gone back to
                versions.update(map(int, json.loads((folder / STATE).read_text())["evaluating"]))
        return versions

    def _all(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted((item for item in self._folder.iterdir() if _NAME.fullmatch(item.name)), key=_order)

    def _set_torn_aside(self, intact: Path) -> None:
        """So that they no longer count among those that are kept."""
        for folder in self._all():
            if _order(folder) > _order(intact):
                folder.rename(folder.with_name(folder.name + TORN))

    def _free_name(self, update: int) -> Path:
        serial = 0
        while list(self._folder.glob(f"{update:06d}.{serial}*")):
            serial += 1
        return self._folder / f"{update:06d}.{serial}"

    def _still_there(self) -> str:
        present = self._all()
        if not present:
            return "There is none yet: free space and resume the run, it starts over"
        return f"{present[-1]} is intact: free space and resume the run"

    def _prune(self) -> None:
        for folder in self._all()[: -self._keep]:
            shutil.rmtree(folder)


def _order(folder: Path) -> tuple[int, int]:
    update, _, serial = folder.name.partition(".")
    return int(update), int(serial)
