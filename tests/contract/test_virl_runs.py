"""The run files of V-IRL: what the trainer and the environment take, and what the branches have in common."""

from pathlib import Path

import pytest

from farfield_cli.runs import run_file
from farfield_trainer.run_config import RunConfig
from farfield_virl import Virl

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = ("virl", "virl-vl")
BRANCHES = ("init", "sft", "sft_matched", "rl")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("branch", BRANCHES)
def test_the_trainer_and_the_environment_take_a_run_file(folder: str, branch: str) -> None:
    config = RunConfig.model_validate(run_file.read(EXAMPLES / folder / f"{branch}.yaml"))
    assert (config.base / "config.json").is_file()
    suites = [suite.environment for suite in config.evaluation.suites.values()]
    for choice in (config.environment, *suites):
        Virl.Options(**Virl.variants[choice.variant].options | choice.options)
    assert config.environment.options["split"] == "train"
    assert {choice.options["split"] for choice in suites} == {"heldout"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_branches_start_from_one_base_and_are_measured_alike(folder: str) -> None:
    first, *others = (run_file.read(EXAMPLES / folder / f"{branch}.yaml") for branch in BRANCHES)
    for other in others:
        assert other["base"] == first["base"]
        assert other["evaluation"]["suites"] == first["evaluation"]["suites"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_control_has_the_learning_rate_and_steps_of_rl(folder: str) -> None:
    rl, matched = (run_file.read(EXAMPLES / folder / f"{name}.yaml") for name in ("rl", "sft_matched"))
    assert matched["updates"] == rl["updates"]
    assert matched["algorithm"]["optimizer"] == rl["algorithm"]["optimizer"]
