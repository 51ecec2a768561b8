"""The main job on one machine: every branch from one checkpoint, each lane on a core of its own, and at the
end the summary, the figure and the report.

`<out>/demo.json` holds the settings and what was spent. A demo that was interrupted goes on when it is
started again; the trainers take up their runs from their checkpoints.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farfield_cli.demo import recipe
from farfield_cli.demo import summary as demo_summary
from farfield_cli.demo.recipe import LANES, Job
from farfield_cli.demo.summary import Outcome
from farfield_cli.lanes.board import Board
from farfield_cli.lanes.lanes import Lanes, News
from farfield_cli.lanes.progress import Progress
from farfield_cli.lanes.spent import Spent
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.run_folder import Json, RunFolder
from farfield_cli.stack import record
from farfield_cli.stack.options import StackOptions
from farfield_cli.stack.stack import Stack
from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.weights import write_durably

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
    secure: bool = False

    @property
    def state(self) -> Path:
        return self.out / ".farfield"


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
            secure=self.options.secure,
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
        data = {"settings": self._settings(), "spent": self.spent.data()}
        write_durably(self.options.out / _SETTINGS, json.dumps(data, indent=1).encode())

    def _settings(self) -> Json:
        """What must be the same to go on; more seeds may be added."""
        return {"configs": self._configs, "deterministic": self.options.deterministic}

    # The work

    async def play(self, stack: Stack, news: News[Job]) -> None:
        """Every run, lane beside lane; the first that fails ends it."""
        board = Board(self.jobs, bound={job.run_id: job.lane for job in self.jobs})
        lanes = Lanes(board, self.progress, _config_of, stop_at_failure=True)
        began = time.monotonic()
        try:
            await lanes.play(stack, news)
        finally:
            self.spent.add(stack, time.monotonic() - began)
            self._save()

    # The end

    def finish(self, seconds: Mapping[str, float]) -> Outcome:
        """Writes summary, figure and report; returns what was found."""
        from farfield_cli.demo.curves import draw
        from farfield_cli.demo.report import demo_page

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


async def _config_of(job: Job) -> Config:
    return job.config


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
