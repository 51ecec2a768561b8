"""Where runs of these tests live: a folder, a queue with a worker, and the lives of a run there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample_runs import (
    Life,
    Worker,
    station,
    suites,
)

from farfield_kernel.queue.memory import MemoryQueue
from farfield_trainer.control import End
from farfield_trainer.loop import Station
from farfield_trainer.run_config import RunConfig

EVALUATED = {"suites": suites(id=3, ood=2), "every": 2}


@dataclass
class Place:
    """A folder, a queue with a worker, and the lives of run `r` there."""

    folder: Path
    queue: MemoryQueue
    worker: Worker
    station: Station

    def life(self, config: RunConfig, **parts: Any) -> Life:
        chosen = station(self.queue, **parts) if parts else self.station
        return Life(config, self.folder / "r", chosen)


async def unbroken(folder: Path, config: RunConfig) -> Life:
    """The run as it goes when nothing happens."""
    queue = MemoryQueue()
    async with Worker(queue).working():
        life = Life(config, folder, station(queue))
        assert await life.live() is End.FINISHED
    return life


def summary(life: Life) -> dict[str, Any]:
    return json.loads((life.folder / "summary.json").read_text())


def checkpoints(life: Life) -> list[Path]:
    return sorted((life.folder / "checkpoints").iterdir())
