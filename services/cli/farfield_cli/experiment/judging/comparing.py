"""What a comparison compares: two evaluations of each seed, and their episodes in pairs."""

from collections.abc import Sequence

import numpy as np

from farfield_cli.experiment.definition.spec import Comparison, Measure, Moment
from farfield_cli.experiment.judging import statistics
from farfield_cli.experiment.judging.outcomes import graded, parts
from farfield_cli.experiment.judging.played import Evaluation, Played
from farfield_cli.experiment.judging.statistics import Array, Sample
from farfield_cli.report.chart import flops
from farfield_kernel.errors import NotFound

Sides = tuple[Evaluation, Evaluation]


def sides(comparison: Comparison, played: Played, seed: int) -> Sides:
    """The evaluations to compare. NotFound where one is missing."""
    measures = comparison.compare, comparison.against
    first, second = (_evaluation(one, comparison, played, seed) for one in measures)
    return first, second


def _evaluation(measure: Measure, comparison: Comparison, played: Played, seed: int) -> Evaluation:
    moment = moment_of(measure, comparison)
    if moment != "equal_compute":
        return played.at(measure.arm, seed, measure.suite, moment)
    ends = (played.at(one.arm, seed, one.suite, "end") for one in (comparison.compare, comparison.against))
    return played.nearest(measure.arm, seed, measure.suite, min(one.compute for one in ends))


def moment_of(measure: Measure, comparison: Comparison) -> Moment:
    return comparison.at if measure.at is None else measure.at


def said_compute(comparison: Comparison, compared: Sequence[Sides]) -> str:
    """What equal compute came to; empty where something else is compared."""
    measures = comparison.compare, comparison.against
    if "equal_compute" not in {moment_of(one, comparison) for one in measures}:
        return ""
    told = [_said(one, [pair[side] for pair in compared]) for side, one in enumerate(measures)]
    return f"; compared {' with '.join(told)}"


def _said(measure: Measure, evaluations: Sequence[Evaluation]) -> str:
    """rl at update 20 (1.2T FLOPs)"""
    updates = sorted({one.update for one in evaluations})
    mean = sum(one.compute for one in evaluations) / len(evaluations)
    plural = "s" if len(updates) > 1 else ""
    return f"{measure.arm} at update{plural} {', '.join(map(str, updates))} ({flops(mean)} FLOPs)"


def sample(comparison: Comparison, compared: Sides) -> Sample:
    """Both sides of one seed, episode by episode; in pairs where the episodes start the same."""
    measures = comparison.compare, comparison.against
    first, second = (graded(one.outcomes) for one in compared)
    shared = sorted(first.keys() & second.keys())
    in_pairs = bool(shared) and all(first[index].seed == second[index].seed for index in shared)
    counted = [
        _counted([parts(measure.metric)(side[index]) for index in (shared if in_pairs else side)])
        for measure, side in zip(measures, (first, second), strict=True)
    ]
    return statistics.paired(*counted) if in_pairs else statistics.unpaired(*counted)


def _counted(values: Sequence[tuple[float, int]]) -> Array:
    """NotFound where there is nothing to divide by."""
    found = np.array(values, dtype=np.float64).reshape(-1, 2)
    if not found[:, 1].any():
        raise NotFound("no graded episode has the measure")
    return found
