"""The folder of an experiment: `settings.json` says what is played there and what was spent on it.

settings.json     the file's text, what was chosen of it, and costs
runs/<lane>/…     the trainers' folders of runs
runs/taken/…      runs that another experiment has played
starts/…          what each run was begun with
bases/…           fresh weights
.farfield/        the stack, while it is up
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from farfield_cli.experiment.definition import files, sizes
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.jobs import Job, jobs
from farfield_cli.experiment.definition.spec import ExperimentFile
from farfield_cli.experiment.pages import page, result
from farfield_cli.experiment.pages.result import SETTINGS
from farfield_cli.experiment.playing import starts
from farfield_cli.lanes.spent import Spent
from farfield_cli.runs.run_folder import Json, RunFolder
from farfield_kernel.config import parse
from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_kernel.weights import write_durably


@dataclass(frozen=True, slots=True)
class Choice:
    """What is played of a file."""

    path: Path
    scale: str = "tiny"
    seeds: int = 0
    """0: those of the file."""
    arms: tuple[str, ...] = ()
    """Empty: all of them, and what they start from."""
    quick: bool = False
    deterministic: bool = False

    def of(self, file: ExperimentFile) -> Experiment:
        found = files.at_scale(file, self.scale, self.path)
        found = found.with_seeds(self.seeds) if self.seeds else found
        found = sizes.quick(found) if self.quick else found
        found = sizes.deterministic(found) if self.deterministic else found
        return found.with_arms(self.arms) if self.arms else found


class Folder:
    """An experiment's folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spent = Spent()

    @staticmethod
    def is_one(path: Path) -> bool:
        """Whether an experiment has made it its own."""
        return (path / SETTINGS).exists()

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def taken(self) -> Path:
        """Runs that another experiment has played."""
        return self.runs / result.TAKEN

    @property
    def state(self) -> Path:
        return self.path / ".farfield"

    def take(self, choice: Choice, file: ExperimentFile) -> bool:
        """Makes the folder the experiment's; whether it was so before. Arms that were begun stay in it, also
        where others are chosen. FailedPrecondition where it holds runs that would be played otherwise."""
        resumed = self.is_one(self.path)
        if resumed:
            self.spent = Spent(**self._settings()["spent"])
            choice = self._with_begun(choice, file)
            self._check_same(choice.of(file))
        elif self.runs.exists():
            raise FailedPrecondition(f"{self.runs} is not an experiment's; give another folder with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        self._write(choice, file)
        self._remove_stillborn()
        return resumed

    def save(self) -> None:
        """Writes what was spent."""
        data = self._settings() | {"spent": self.spent.data()}
        write_durably(self.path / SETTINGS, json.dumps(data, indent=1).encode())

    def opened(self) -> Experiment:
        """What is played here."""
        data = self._settings()
        given = data["choice"] | {"path": Path(data["choice"]["path"]), "arms": tuple(data["choice"]["arms"])}
        return Choice(**given).of(parse(ExperimentFile, data["file"], str(self.path / SETTINGS)))

    def forget(self) -> None:
        """Removes what an experiment has made here, and nothing else."""
        if not self.is_one(self.path):
            return
        for name in ("runs", starts.FOLDER, "bases", ".farfield"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (result.FILE, page.REPORT, page.CURVES, page.RESULTS, SETTINGS):
            (self.path / name).unlink(missing_ok=True)

    def found(self) -> Iterator[tuple[str, RunFolder]]:
        """The runs that were begun, with their lanes."""
        for record in sorted(self.runs.glob("*/*/run.json")):
            yield record.parents[1].name, RunFolder(record.parent)

    def _settings(self) -> Json:
        path = self.path / SETTINGS
        if not self.is_one(self.path):
            raise NotFound(f"{self.path} holds no experiment: it has no {SETTINGS}")
        return dict(json.loads(path.read_text()))

    def _write(self, choice: Choice, file: ExperimentFile) -> None:
        chosen = asdict(choice) | {"path": str(choice.path.resolve())}
        data = {
            "choice": chosen,
            "file": file.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "spent": self.spent.data(),
        }
        write_durably(self.path / SETTINGS, json.dumps(data, indent=1).encode())

    def _with_begun(self, choice: Choice, file: ExperimentFile) -> Choice:
        if not choice.arms:
            return choice
        begun = {run.path.name.rpartition("-s")[0] for _, run in self.found()}
        every = replace(choice, arms=()).of(file).arms
        return replace(choice, arms=(*choice.arms, *(arm for arm in every if arm in begun)))

    def _check_same(self, experiment: Experiment) -> None:
        """Of every run that was begun; what was only planned may change."""
        wanted = starts.starts_of(jobs(experiment))
        begun = [(run, wanted[run.path.name]) for _, run in self.found() if run.path.name in wanted]
        found = {
            run.path.name: starts.other_than(start, run, starts.read(self.path, run.path.name))
            for run, start in begun
        }
        changed = ", ".join(f"{name} ({why})" for name, why in found.items() if why)
        if changed:
            raise FailedPrecondition(
                f"{self.path} holds runs that were begun otherwise: {changed}. Give another folder with "
                "--out, or --fresh to remove it and start over"
            )

    def _remove_stillborn(self) -> None:
        """A kill may have come between a run's folder and its record: the trainer would not take it."""
        for folder in self.runs.glob("*/*"):
            if folder.is_dir() and not (folder / "run.json").exists():
                shutil.rmtree(folder)


def is_finished(run: RunFolder) -> bool:
    return run.record["state"] == "succeeded" and bool(run.summary)


def finished_jobs(folder: Folder, jobs: list[Job]) -> dict[str, RunFolder]:
    """By run id."""
    names = {job.run_id for job in jobs}
    return {run.path.name: run for _, run in folder.found() if run.path.name in names and is_finished(run)}
