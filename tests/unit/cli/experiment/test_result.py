import json
from pathlib import Path

import pytest

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.pages.result import collect

from .conftest import Play


def test_a_finished_experiment(experiment: Experiment, whole: Path) -> None:
    data = json.loads(json.dumps(collect(experiment, whole)))
    assert data["finished"] is True
    assert data["verdict"]["status"] == "supported"
    rl = data["arms"]["rl"]
    assert rl["parameters"] == 1000
    assert [point["update"] for point in rl["curves"]["ood"]] == [0, 5, 10]
    end = rl["curves"]["ood"][-1]["metrics"]["success"]
    assert end["value"] == pytest.approx(0.3, abs=0.01)
    assert (end["n"], end["seeds"]) == (597, 3)
    assert rl["by_seed"]["0"]["failures"] == {"environment": 4}
    assert rl["by_seed"]["0"]["ledger"]["exactly_once"] is True
    assert data["arms"]["rl_after"]["from"] == {"arm": "sft", "update": 5}
    claim = data["claims"][0]
    low, high = claim["interval"]
    assert low < claim["estimate"] < high
    assert claim["controlled"] is True
    assert claim["control"]["status"] == "supported"
    assert data["costs"]["episodes"] == 12 * 410


def test_an_experiment_that_has_just_begun(experiment: Experiment, play: Play, out: Path) -> None:
    play("rl", 0, {5: (0.7, 0.25)}, state="running")
    data = collect(experiment, out)
    assert data["finished"] is False
    assert data["verdict"]["status"] == "not enough data"
    assert data["arms"]["sft"]["by_seed"] == {}
    assert [point["update"] for point in data["arms"]["rl"]["curves"]["id"]] == [5]
