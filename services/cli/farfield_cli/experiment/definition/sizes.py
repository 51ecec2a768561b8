"""Tiny sizes of any experiment: the whole path in minutes, and far too little to show anything."""

from dataclasses import replace
from typing import Any

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Arm, Json, Suite
from farfield_cli.runs.run_file import overlaid

_EPISODES, _UPDATES, _GROUPS, _BATCH = 8, 3, 4, 8


def quick(experiment: Experiment) -> Experiment:
    """A few episodes and updates of everything; who starts from whom stays."""
    updates = {name: arm.updates for name, arm in experiment.arms.items()}
    return replace(
        experiment,
        scale=f"{experiment.scale}-quick",
        suites={name: _suite(suite) for name, suite in experiment.suites.items()},
        arms={name: _arm(arm, updates) for name, arm in experiment.arms.items()},
    )


def _suite(suite: Suite) -> Suite:
    return suite.model_copy(update={"episodes": min(suite.episodes, _EPISODES)})


def _arm(arm: Arm, updates: dict[str, int]) -> Arm:
    run = arm.run
    every = run.get("evaluation", {}).get("every", 0)
    changes: Json = {"updates": min(arm.updates, _UPDATES), "checkpoint": {"every": 1}}
    changes["evaluation"] = {"every": _scaled(every, arm.updates) if every else 0}
    if "batch" in run:
        changes["batch"] = {"groups": min(run["batch"].get("groups", _GROUPS), _GROUPS)}
    if "demonstrations" in run:
        changes["demonstrations"] = {
            "batch_size": min(run["demonstrations"].get("batch_size", _BATCH), _BATCH)
        }
    origin = arm.origin
    if origin and origin.update is not None:
        origin = origin.model_copy(update={"update": _scaled(origin.update, updates[origin.arm])})
    return arm.model_copy(update={"run": overlaid(run, changes), "origin": origin})


def _scaled(update: int, updates: int) -> int:
    """The update of a short run that stands for one of the whole run."""
    few = min(updates, _UPDATES)
    return min(update, max(1, round(update * few / updates))) if updates else 0


def deterministic(experiment: Experiment) -> Experiment:
    """The same seed gives the same weights bit for bit; slower."""
    return over_runs(experiment, {"deterministic": True})


def over_runs(experiment: Experiment, changes: dict[str, Any]) -> Experiment:
    """Changes laid over every run config."""
    arms = {
        name: arm.model_copy(update={"run": overlaid(arm.run, changes)})
        for name, arm in experiment.arms.items()
    }
    return replace(experiment, arms=arms)
