"""The main job on one machine: every branch from one checkpoint, each lane on a core of its own, and at the
end the summary, the figure and the report.

`<out>/demo.json` holds the settings and what was spent. A demo that was interrupted goes on when it is
started again; the trainers take up their runs from their checkpoints.
"""

import asyncio
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farfield_cli import demo_summary, recipe, record
from farfield_cli.demo_summary import Outcome
from farfield_cli.progress import JobProgress, Progress
from farfield_cli.recipe import LANES, Job
from farfield_cli.run_folder import Json, RunFolder
from farfield_cli.stack import Stack, StackOptions
from farfield_cli.trainer import Trainer, is_over, state_of
from farfield_kernel.errors import FailedPrecondition, FarfieldError
from farfield_kernel.weights import write_durably

News = Callable[[JobProgress[Job], str], None]

_SETTINGS = "demo.json"
_RESULTS = ("summary.json", "curves.png", "report.html")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    out: Path = Path("runs/demo")
    recipe: Path | None = None
    seeds: int = 1
    quick: bool = False
    deterministic: bool = False
    workers: int = 1
    """Of each lane."""
    fresh: bool = False
    """Remove what an earlier demo left in `out`."""

    @property
    def state(self) -> Path:
        return self.out / ".farfield"


@dataclass(slots=True)
class Spent:
    """What a demo has cost, over all the times that it was started."""

    seconds: float = 0.0
    memory: Json = field(default_factory=lambda: {"peak_bytes": 0, "peak_by_process": {}})
    restarts: dict[str, int] = field(default_factory=dict)

    def add(self, stack: Stack, seconds: float) -> None:
        self.seconds += seconds
        if stack.memory.peak > self.memory["peak_bytes"]:
            self.memory = stack.memory.summary()
        for name, count in stack.restarts().items():
            self.restarts[name] = self.restarts.get(name, 0) + count


class Demo:
    """A demo in its folder."""

    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self._configs = recipe.read(
            recipe.find_folder(options.recipe), quick=options.quick, deterministic=options.deterministic
        )
        self.jobs = list(recipe.jobs(self._configs, options.seeds))
        self.progress = Progress(self.jobs, lane_of=lambda job: job.lane)
        self.spent = Spent()
        self.resumed = False

    @property
    def stack_options(self) -> StackOptions:
        return StackOptions(
            state=self.options.state,
            runs=self.options.out / "runs",
            model=recipe.model_of(self._configs),
            lanes=tuple(LANES),
            workers=self.options.workers,
            deterministic=self.options.deterministic,
        )

    # The folder

    def prepare(self) -> None:
        """Takes up what an earlier start of the same demo left; removes it only when told to."""
        record.check_free(self.options.state)
        out, path = self.options.out, self.options.out / _SETTINGS
        if self.options.fresh:
            _remove_demo(out)
        elif path.exists():
            self._take_up(json.loads(path.read_text()))
        elif (out / "runs").exists():
            raise FailedPrecondition(f"{out / 'runs'} is not a demo's; give another folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        self._save()

    def _take_up(self, saved: Json) -> None:
        if saved["settings"] != self._settings():
            raise FailedPrecondition(
                f"{self.options.out} holds a demo with other settings (sizes, recipe or mode). Give another "
                "folder with --out, or --fresh to remove it and start over"
            )
        self.spent, self.resumed = Spent(**saved["spent"]), True

    @property
    def is_finished(self) -> bool:
        """Whether every seed that is asked for is summed up already."""
        path = self.options.out / "summary.json"
        return path.exists() and json.loads(path.read_text())["seeds"] >= self.options.seeds

    def _save(self) -> None:
        spent = {name: getattr(self.spent, name) for name in Spent.__slots__}
        data = {"settings": self._settings(), "spent": spent}
        write_durably(self.options.out / _SETTINGS, json.dumps(data, indent=1).encode())

    def _settings(self) -> Json:
        """What must be the same to go on; more seeds may be added."""
        return {"configs": self._configs, "deterministic": self.options.deterministic}

    # The work

    async def play(self, stack: Stack, news: News) -> None:
        """Every run, lane beside lane."""
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for lane, where in stack.plan.lanes.items():
                    group.create_task(self._play_lane(lane, where.trainer, news))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # one reason is enough for a person
        finally:
            self.spent.add(stack, time.monotonic() - began)
            self._save()

    async def _play_lane(self, lane: str, address: str, news: News) -> None:
        async with Trainer.at(address, patience_seconds=math.inf) as trainer:  # the stack brings it back
            for job in self.jobs:
                if job.lane == lane:
                    await self._play_job(trainer, job, news)

    async def _play_job(self, trainer: Trainer, job: Job, news: News) -> None:
        progress = self.progress.of(job)
        progress.begin()
        run = await trainer.start(job.run_id, job.config)
        if is_over(run) and state_of(run) != "succeeded":
            await trainer.resume(job.run_id)
        async for answer in trainer.watch(job.run_id):
            if text := progress.observe(answer):
                news(progress, text)
        if progress.state != "succeeded":
            error = (await trainer.get(job.run_id)).error or "stopped from outside"
            raise FarfieldError(f"run {job.run_id} {progress.state}: {error}")

    # The end

    def finish(self, seconds: Mapping[str, float]) -> Outcome:
        """Writes summary, figure and report; returns what was found."""
        from farfield_cli.curves import draw
        from farfield_cli.demo_report import demo_page

        began = time.monotonic()
        runs = self.runs()
        found = demo_summary.outcome(runs)
        out = self.options.out
        draw(found, out / "curves.png")
        spent = {**seconds, "report": time.monotonic() - began}
        spent["total"] = self.spent.seconds + sum(spent.values())
        data = demo_summary.summary(runs, found, spent, self.spent.memory, self.spent.restarts)
        (out / "report.html").write_text(demo_page(runs, found, data))
        write_durably(out / "summary.json", json.dumps(data, indent=1).encode())
        return found

    def runs(self) -> dict[str, list[RunFolder]]:
        return runs_of(self.options.out, self.options.seeds)


def runs_of(out: Path, seeds: int) -> dict[str, list[RunFolder]]:
    """The runs of a demo by branch, one for each seed."""
    return {
        branch: [RunFolder.at(out / "runs" / lane / recipe.run_id(branch, seed)) for seed in range(seeds)]
        for lane, branches in LANES.items()
        for branch in branches
    }


def finished(out: Path) -> tuple[dict[str, list[RunFolder]], Json]:
    """The runs and the summary of a demo that is through."""
    path = out / "summary.json"
    if not path.exists():
        raise FailedPrecondition(f"the demo in {out} is not finished; go on with `farfield demo --out {out}`")
    data: Json = json.loads(path.read_text())
    return runs_of(out, data["seeds"]), data


def _remove_demo(out: Path) -> None:
    """Only what a demo has made: the folder may hold other things."""
    if not (out / _SETTINGS).exists():
        return
    for name in ("runs", ".farfield"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (*_RESULTS, _SETTINGS):
        (out / name).unlink(missing_ok=True)
