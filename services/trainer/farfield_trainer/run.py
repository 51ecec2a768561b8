"""One run of a trainer: what it is, and what it shows of itself.

`<runs>/<run id>/` holds run.json (config and state), reports.jsonl, checkpoints/, weights/, episodes/,
outcomes/, tensorboard/ and, at the end, summary.json.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from farfield_kernel.errors import DataLoss
from farfield_kernel.weights import write_durably
from farfield_trainer.control import Control
from farfield_trainer.loop import Loop
from farfield_trainer.reporting import run_metrics
from farfield_trainer.reporting.reports import Reports
from farfield_trainer.reporting.summary import counts
from farfield_trainer.run_config import RunConfig

RECORD = "run.json"


class State(Enum):
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def unfinished(self) -> bool:
        return self in (State.RUNNING, State.PAUSED)


@dataclass(slots=True)
class Figures:
    """What a run shows of itself."""

    update: int = 0
    version: int = -1
    episodes_planned: int = 0
    episodes_trained: int = 0
    episodes_failed: int = 0
    versions: list[int] = field(default_factory=list)
    """Weight versions that are kept."""


@dataclass(slots=True)
class Run:
    run_id: str
    folder: Path
    config: RunConfig
    state: State = State.RUNNING
    error: str = ""
    lives: int = 0
    """How often it began or went on."""
    created: float = field(default_factory=time.time)
    control: Control = field(default_factory=Control)
    task: asyncio.Task[None] | None = None
    loop: Loop | None = None
    reports: Reports = field(init=False)
    _figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self.reports = Reports(
            self.folder / "reports.jsonl", [lambda report: run_metrics.record(self.run_id, report)]
        )

    @property
    def active(self) -> bool:
        return self.task is not None and not self.task.done()

    def figures(self) -> Figures:
        """As of now; of a run that is over, as of its end."""
        if self.loop:
            progress, weights = self.loop.progress, self.loop.weights
            seen = counts(self.config, progress)
            self._figures = Figures(
                update=progress.update,
                version=weights.version if weights else self._figures.version,
                versions=self._figures.versions if self.loop.versions is None else self.loop.versions,
                episodes_planned=int(seen["episodes_planned_total"]),
                episodes_trained=int(seen["episodes_trained_total"]),
                episodes_failed=int(seen["episodes_failed_total"]),
            )
        return self._figures

    def record(self) -> None:
        """Writes run.json, so that the run outlives the process."""
        figures = self.figures()
        data = {
            "run_id": self.run_id,
            "state": self.state.value,
            "error": self.error,
            "lives": self.lives,
            "created": self.created,
            "figures": {name: getattr(figures, name) for name in Figures.__slots__},
            "config": self.config.model_dump(mode="json"),
        }
        write_durably(self.folder / RECORD, json.dumps(data, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Run":
        try:
            data: dict[str, Any] = json.loads((folder / RECORD).read_text())
            config = RunConfig.model_validate(data["config"], extra="ignore")  # of an earlier version, maybe
            run = cls(data["run_id"], folder, config, State(data["state"]))
            run.error, run.lives, run.created = data["error"], data["lives"], data["created"]
            run._figures = Figures(**data["figures"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataLoss(f"{folder / RECORD} cannot be read: {error!r}") from error
        return run
