"""Runs that an experiment in a folder beside this one has played: they are taken over, not played again.

Experiments on one game share arms. One that is finished elsewhere is this one too, if it was begun with the
same (`starts`) and measured on all that is asked here.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.jobs import jobs
from farfield_cli.experiment.playing import starts
from farfield_cli.experiment.playing.folder import Folder, is_finished
from farfield_cli.experiment.playing.starts import Start
from farfield_cli.runs.run_folder import RunFolder
from farfield_kernel.errors import FarfieldError


def take_over(experiment: Experiment, folder: Folder) -> dict[str, list[str]]:
    """Links finished runs of other experiments into the folder. Ids of those taken, by the folder that they
    are from. An arm that starts from another's weights is played here."""
    begun = {run.path.name for _, run in folder.found()}
    wanted = starts.starts_of(one for one in jobs(experiment) if not one.needs and one.run_id not in begun)
    taken: dict[str, list[str]] = {}
    for other in _beside(folder):
        finished = list(_finished(other))
        for run_id, start in list(wanted.items()):
            found = next((one for one in finished if _is(start, *one)), None)
            if found:
                starts.write(folder.path, run_id, found[1])
                _link(found[0].path, folder, run_id)
                taken.setdefault(other.path.name, []).append(run_id)
                del wanted[run_id]
    return taken


def _beside(folder: Folder) -> Iterator[Folder]:
    here = folder.path.resolve()
    for path in sorted(here.parent.iterdir()):
        if path != here and Folder.is_one(path):
            yield Folder(path)


def _finished(other: Folder) -> Iterator[tuple[RunFolder, Start]]:
    """Those of which it is known what they were begun with."""
    for _, run in other.found():
        try:
            start = starts.read(other.path, run.path.name)
            if start and start.files and is_finished(run):
                yield run, start
        except (FarfieldError, OSError, KeyError):
            continue


def _is(wanted: Start, run: RunFolder, played: Start) -> bool:
    kept = wanted.config.get("keep_versions", ())
    return not starts.other_than(wanted, run, played) and all(
        (run.path / "weights" / f"{one:06d}").is_dir() for one in kept
    )


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
