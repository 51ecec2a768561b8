from pathlib import Path

import pytest

from farfield_cli.demo import recipe
from farfield_cli.runs import run_file
from farfield_kernel.errors import FailedPrecondition, NotFound

EXAMPLES = Path(__file__).parents[4] / "examples" / "demo"


@pytest.fixture(scope="module")
def configs() -> dict[str, run_file.Config]:
    return recipe.read(EXAMPLES, quick=False, deterministic=False)


def test_every_branch_starts_from_one_checkpoint_and_is_measured_alike(
    configs: dict[str, run_file.Config],
) -> None:
    assert len({config["base"] for config in configs.values()}) == 1
    for suite in recipe.SUITES:
        chosen = [config["evaluation"]["suites"][suite] for config in configs.values()]
        assert all(one == chosen[0] for one in chosen)
        assert chosen[0]["episodes"] >= 500
        assert chosen[0]["environment"]["options"]["split"] == "heldout"


def test_training_never_deals_what_is_measured(configs: dict[str, run_file.Config]) -> None:
    for config in configs.values():
        assert config["environment"]["variant"] == "id"
        assert config["environment"]["options"]["split"] == "train"


def test_the_control_has_the_learning_rate_and_steps_of_rl(configs: dict[str, run_file.Config]) -> None:
    rl, matched = configs["rl"], configs["sft_matched"]
    steps = rl["updates"] * rl["algorithm"].get("epochs", 1) * rl["algorithm"].get("minibatches", 1)
    assert matched["updates"] == steps
    assert matched["algorithm"]["optimizer"] == rl["algorithm"]["optimizer"]


def test_a_seed_decides_training_and_the_episodes_of_every_branch(
    configs: dict[str, run_file.Config],
) -> None:
    jobs = list(recipe.jobs(configs, 2))
    assert [job.run_id for job in jobs if job.lane == "sft"] == [
        "init-s0", "sft-s0", "sft_matched-s0", "init-s1", "sft-s1", "sft_matched-s1",
    ]  # fmt: skip
    for job in jobs:
        assert job.config["seed"] == job.seed
        assert all(suite["seed"] == job.seed for suite in job.config["evaluation"]["suites"].values())


def test_quick_is_smaller_and_otherwise_the_same(configs: dict[str, run_file.Config]) -> None:
    quick = recipe.read(EXAMPLES, quick=True, deterministic=True)
    assert quick["rl"]["updates"] < configs["rl"]["updates"]
    assert quick["rl"]["algorithm"] == configs["rl"]["algorithm"]
    assert quick["rl"]["deterministic"] is True
    assert (
        quick["sft"]["evaluation"]["suites"]["id"]["environment"]
        == (configs["sft"]["evaluation"]["suites"]["id"]["environment"])
    )


def test_a_missing_checkpoint_is_told_with_its_cure(tmp_path: Path) -> None:
    for file in EXAMPLES.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    with pytest.raises(FailedPrecondition, match="make base-model"):
        recipe.read(tmp_path, quick=False, deterministic=False)


def test_a_folder_without_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--recipe"):
        recipe.find_folder(tmp_path)


def test_a_file_over_another(tmp_path: Path) -> None:
    (tmp_path / "under.yaml").write_text("base: model\na: {x: 1, y: 2}\nlist: [1, 2]\n")
    (tmp_path / "over.yaml").write_text("extends: under.yaml\na: {y: 3}\nlist: [4]\n")
    read = run_file.read(tmp_path / "over.yaml")
    assert read == {"base": str(tmp_path / "model"), "a": {"x": 1, "y": 3}, "list": [4]}
