"""Runs that an experiment in a folder beside this one has played: they are taken over, not played again.

Experiments on one game share arms. A run is decided by its config, its seed and what it starts from, so one
that is finished elsewhere is this one too, if it was measured on all that is asked here.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from farfield_cli.experiment.experiment import Experiment
from farfield_cli.experiment.folder import Folder, finished_jobs
from farfield_cli.experiment.jobs import Job, jobs
from farfield_cli.lanes.progress import evaluated_versions
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.run_folder import RunFolder
from farfield_kernel.errors import FarfieldError

_MEASURING = ("evaluation", "checkpoint", "keep_versions")
"""Keys that say what is measured and kept of a run; the others decide its weights."""
Finished = tuple[Job, RunFolder]


def take_over(experiment: Experiment, folder: Folder) -> dict[str, list[str]]:
    """Links finished runs of other experiments into the folder. Ids of those taken, by the folder that they
    are from. An arm that starts from another's weights is played here."""
    begun = {run.path.name for _, run in folder.found()}
    wanted = [job for job in jobs(experiment) if not job.needs and job.run_id not in begun]
    taken: dict[str, list[str]] = {}
    for other in _beside(folder):
        played = list(_finished(other))
        for job in list(wanted):
            found = next((run for one, run in played if _is(job.config, one.config, run)), None)
            if found:
                _link(found.path, folder, job.run_id)
                taken.setdefault(other.path.name, []).append(job.run_id)
                wanted.remove(job)
    return taken


def _beside(folder: Folder) -> Iterator[Folder]:
    here = folder.path.resolve()
    for path in sorted(here.parent.iterdir()):
        if path != here and Folder.is_one(path):
            yield Folder(path)


def _finished(other: Folder) -> Iterator[Finished]:
    """Nothing where the folder's settings are torn, of another version, or not an experiment's at all."""
    try:
        known = [job for job in jobs(other.opened()) if not job.needs]
    except (FarfieldError, OSError, ValueError, KeyError, TypeError):
        return
    runs = finished_jobs(other, known)
    yield from ((job, runs[job.run_id]) for job in known if job.run_id in runs)


def _is(wanted: Config, played: Config, run: RunFolder) -> bool:
    """Whether the run has the weights that are wanted, and is measured and kept where they are wanted."""
    suites = played["evaluation"]["suites"]
    return (
        _deciding(wanted) == _deciding(played)
        and all(suites.get(name) == suite for name, suite in wanted["evaluation"]["suites"].items())
        and evaluated_versions(wanted) <= evaluated_versions(played)
        and all((run.path / "weights" / f"{one:06d}").is_dir() for one in wanted.get("keep_versions", ()))
    )


def _deciding(config: Config) -> Config:
    return {key: value for key, value in config.items() if key not in _MEASURING}


def _link(run: Path, folder: Folder, run_id: str) -> None:
    """Under its own name at once, so that a kill leaves no half of it. Its files are the same files: a run
    that is finished is written to no more."""
    whole, half = folder.taken / run_id, folder.path / ".taking"
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(run, half, copy_function=_linked)
    whole.parent.mkdir(parents=True, exist_ok=True)
    half.rename(whole)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
