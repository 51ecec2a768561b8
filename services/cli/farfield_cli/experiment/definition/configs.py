"""Run configs of an experiment: what the trainer is told for one arm and one seed."""

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.runs.run_file import Config, overlaid


def config(experiment: Experiment, arm: str, seed: int) -> Config:
    """One seed decides training and evaluation, so every arm of a seed meets the same episodes. `base` is as
    the file has it: an arm that starts from another, or from fresh weights, gets its own when it begins."""
    suites = {name: experiment.suites[name].config() | {"seed": seed} for name in experiment.suites_of(arm)}
    filled = overlaid(experiment.arms[arm].run, {"seed": seed, "evaluation": {"suites": suites}})
    kept = experiment.kept_versions(arm)
    return filled | ({"keep_versions": kept} if kept else {})
