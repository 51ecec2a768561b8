"""Which episodes an experiment's page shows: those that people look at first, up to a size."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farfield_cli.experiment.judging.played import Played
from farfield_cli.report.reading import pictures, shelf
from farfield_cli.runs.run_folder import Json, RunFolder

MOST_TEXT_BYTES = 6 << 20
MOST_PICTURE_BYTES = 12 << 20


@dataclass(frozen=True, slots=True)
class Shown:
    shelves: list[Json]
    pictures: dict[str, str]
    left_out: str
    """In words; empty where everything is there."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file of episodes, and how soon it is wanted."""

    wanted: int
    arm: str
    seed: int
    suite: str
    version: int
    path: Path
    run: RunFolder

    def read(self) -> Json:
        episodes = json.loads(self.path.read_text())
        return shelf(self.arm, self.suite, self.version, episodes, self.run.decoder()) | {"seed": self.seed}


def shown(played: Played, most_text: int = MOST_TEXT_BYTES, most_pictures: int = MOST_PICTURE_BYTES) -> Shown:
    """The ends of the first seed, its starts, the ends of the other seeds, and then the rest."""
    every = sorted(_kept(played), key=lambda one: one.wanted)
    chosen: list[Json] = []
    for one in every:
        found = one.read()
        most_text -= len(json.dumps(found, ensure_ascii=False))
        if most_text < 0:
            break
        chosen.append(found)
    files = [path for run in {one.run.path: one.run for one in every}.values() for path in run.pictures()]
    held = pictures(chosen, files, most_pictures)
    return Shown(_in_order(chosen, played), held, _left_out(len(every) - len(chosen), len(every)))


def _kept(played: Played) -> Iterator[_Kept]:
    for arm in played.experiment.arms:
        for place, (seed, run) in enumerate(played.seeds(arm).items()):
            kept = list(run.kept())
            for suite, version, path in kept:
                versions = [one for other, one, _ in kept if other == suite]
                ends = version == max(versions), version == min(versions)
                yield _Kept(_wanted(place, *ends), arm, seed, suite, version, path, run)


def _wanted(seed: int, is_end: bool, is_start: bool) -> int:
    if seed == 0:
        return 0 if is_end else 1 if is_start else 3
    return 2 if is_end else 4


def _in_order(shelves: list[Json], played: Played) -> list[Json]:
    arms, suites = list(played.experiment.arms), list(played.experiment.suites)
    known = [one for one in shelves if one["suite"] in suites]
    return sorted(
        known,
        key=lambda one: (arms.index(one["arm"]), suites.index(one["suite"]), one["version"], one["seed"]),
    )


def _left_out(missing: int, every: int) -> str:
    where = "they are in the run folders"
    return f"To keep the page small {missing} of {every} sets are left out; {where}." if missing else ""
