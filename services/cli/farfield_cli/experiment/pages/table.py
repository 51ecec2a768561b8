"""`results.csv`: every figure of every evaluation, one a line; seed "all" is the mean over seeds."""

import csv
from collections.abc import Iterator
from pathlib import Path

from farfield_cli.experiment.judging.played import Played
from farfield_cli.experiment.pages.result import points
from farfield_cli.runs.run_folder import Json

HEADING = ("arm", "suite", "seed", "update", "compute", "metric", "value", "stderr", "n")


def write(data: Json, played: Played, path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADING)
        writer.writerows(_of_seeds(played))
        writer.writerows(_pooled(data))


def _of_seeds(played: Played) -> Iterator[tuple[object, ...]]:
    for arm in played.experiment.arms:
        for suite in played.experiment.suites_of(arm):
            for seed in played.seeds(arm):
                for one in played.curve(arm, seed, suite):
                    for name, point in points(one).items():
                        value = (round(point.success, 6), round(point.stderr, 6), point.n)
                        yield (arm, suite, seed, one.update, f"{one.compute:.6g}", name, *value)


def _pooled(data: Json) -> Iterator[tuple[object, ...]]:
    for arm, one in data["arms"].items():
        for suite, curve in one["curves"].items():
            for point in curve:
                for name, figure in point["metrics"].items():
                    value = (figure["value"], figure["stderr"], figure["n"])
                    yield (arm, suite, "all", point["update"], f"{point['compute']:.6g}", name, *value)
