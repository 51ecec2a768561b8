"""Whether every figure that a claim needs will be measured: asked before anything is played."""

from collections.abc import Iterator

from farfield_cli.experiment.definition.configs import config
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Comparison, Measure, Moment
from farfield_cli.experiment.judging.comparing import moment_of
from farfield_cli.lanes.progress import evaluated_versions
from farfield_kernel.errors import InvalidArgument


def check_claims(experiment: Experiment) -> None:
    """InvalidArgument names every claim that no run can answer, and why. Of a whole experiment, whose run
    configs are valid: chosen arms may start where others are measured."""
    faults = [
        f"  claim {claim.name}: {fault}"
        for claim in experiment.claims
        for pair in claim.comparisons
        for fault in _faults(experiment, pair)
    ]
    if faults:
        what = f"{experiment.name}, scale {experiment.scale}"
        raise InvalidArgument(f"{what}: claims that no run can answer:\n" + "\n".join(dict.fromkeys(faults)))


def _faults(experiment: Experiment, pair: Comparison) -> Iterator[str]:
    measures = pair.compare, pair.against
    moments = [moment_of(one, pair) for one in measures]
    for measure, moment in zip(measures, moments, strict=True):
        yield from _fault(experiment, measure, moment)
        if "equal_compute" in moments:
            yield from _fault(experiment, measure, "end")


def _fault(experiment: Experiment, measure: Measure, moment: Moment) -> Iterator[str]:
    last = experiment.arms[measure.arm].updates
    update = {"start": 0, "end": last, "equal_compute": last}.get(str(moment), moment)
    places = [(measure.arm, update), *([experiment.start_of(measure.arm)] if update == 0 else [])]
    found = [_missing(experiment, *place, measure.suite) for place in places if place]
    if all(found):
        yield found[-1]


def _missing(experiment: Experiment, arm: str, version: str | int, suite: str) -> str:
    """Why a version is not measured; empty where it is."""
    suites = experiment.suites_of(arm)
    versions = sorted(evaluated_versions(config(experiment, arm, experiment.seeds[0])))
    if suite not in suites:
        return f"{arm} is not measured on {suite}, but on {', '.join(suites)}"
    if version not in versions:
        at = ", ".join(map(str, versions)) or "none"
        return f"{arm} is not measured at update {version}, but at {at}: write evaluation.every, or at"
    return ""
