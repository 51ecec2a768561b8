"""The trainer takes every run file of the examples, as the command line reads it."""

from pathlib import Path

import pytest

from farfield_cli.runs import run_file
from farfield_generalpoints import GeneralPoints
from farfield_trainer.run_config import RunConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
NO_RUNS = {"common.yaml", "quick.yaml"}
FILES = sorted(
    path
    for path in EXAMPLES.glob("*/*.yaml")
    if path.parent.name != "experiments" and path.name not in NO_RUNS
)
BRANCHES = ("init", "sft", "sft_matched", "rl")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_run_file_is_a_run_config_with_a_base(path: Path) -> None:
    config = RunConfig.model_validate(run_file.read(path))
    assert (config.base / "config.json").is_file()
    suites = [suite.environment for suite in config.evaluation.suites.values()]
    for choice in (config.environment, *suites):
        if choice.name == GeneralPoints.name:
            GeneralPoints.Options(**GeneralPoints.variants[choice.variant].options | choice.options)


def test_branches_of_tiny_vl_differ_in_training_alone() -> None:
    configs = [run_file.read(EXAMPLES / "tiny-vl" / f"{branch}.yaml") for branch in BRANCHES]
    assert len({config["base"] for config in configs}) == 1
    assert all(config["environment"]["options"]["split"] == "train" for config in configs)
    suites = [config["evaluation"]["suites"] for config in configs]
    assert set(suites[0]) == {"vl-id", "vl-ood", "vl-red"}
    assert all(one == suites[0] for one in suites)
    for suite in suites[0].values():
        assert suite["environment"]["options"]["split"] == "heldout"


def test_the_control_of_tiny_vl_has_the_learning_rate_and_steps_of_rl() -> None:
    rl, matched = (run_file.read(EXAMPLES / "tiny-vl" / f"{name}.yaml") for name in ("rl", "sft_matched"))
    assert matched["updates"] == rl["updates"]
    assert matched["algorithm"]["optimizer"] == rl["algorithm"]["optimizer"]
