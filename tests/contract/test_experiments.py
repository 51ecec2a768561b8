"""Every experiment of the examples, at every scale: run configs, and options that the plugins take."""

from pathlib import Path

import pytest

from farfield_cli.experiment.definition import catalogue, sizes
from farfield_cli.experiment.definition.checking import configs
from farfield_cli.experiment.definition.files import read, read_file
from farfield_cli.experiment.playing.models import bases
from farfield_generalpoints import GeneralPoints
from farfield_kernel.config import parse
from farfield_reasoning_gym import ReasoningGym
from farfield_trainer.run_config import EnvironmentChoice, RunConfig
from farfield_virl import Virl

EXPERIMENTS = Path(__file__).parents[2] / "examples" / "experiments"
FILES = sorted(EXPERIMENTS.glob("*.yaml"))
PLUGINS = {plugin.name: plugin for plugin in (GeneralPoints, Virl)}
STYLES = {plugin.name: plugin.demonstration_styles for plugin in (*PLUGINS.values(), ReasoningGym)}
CASES = [(path, scale) for path in FILES for scale in read_file(path).scales]


@pytest.mark.parametrize(("path", "scale"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_every_arm_could_begin(path: Path, scale: str) -> None:
    experiment = read(path, scale)
    for arm, config in configs(sizes.quick(experiment)).items():
        parse(RunConfig, config, f"{path.name}, {scale}, quick: arm {arm}")
        assert (experiment.start_of(arm) is None) == (sizes.quick(experiment).start_of(arm) is None)
    for arm, config in configs(experiment).items():
        run = parse(RunConfig, config, f"{path.name}, {scale}: arm {arm}")
        suites = [suite.environment for suite in run.evaluation.suites.values()]
        for choice in (run.environment, *suites):
            check_options(choice)
        if run.demonstrations:
            assert run.demonstrations.style in STYLES[run.environment.name]


def check_options(choice: EnvironmentChoice) -> None:
    plugin = PLUGINS.get(choice.name)
    if plugin:
        plugin.Options(**plugin.variants[choice.variant].options | choice.options)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_trains_on_hands_and_routes_that_no_suite_has(path: Path) -> None:
    experiment = read(path)
    made = {base for base in bases(experiment) if "runs" in base.parts}  # by `make`
    assert all((base / "config.json").is_file() for base in set(bases(experiment)) - made)
    assert len(experiment.claims) == len(read_file(path).claims)
    for config in configs(experiment).values():
        if config["environment"]["name"] not in PLUGINS:  # nothing is held out: items come from seeds
            continue
        assert config["environment"]["options"]["split"] == "train"
        for suite in config["evaluation"]["suites"].values():
            assert suite["environment"]["options"]["split"] == "heldout"


def test_the_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (EXPERIMENTS.parents[1] / "docs" / "experiments.md").read_text()
    path = tmp_path / "attempts.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    for arm, config in configs(read(path)).items():
        parse(RunConfig, config, f"arm {arm}")
    assert len(read(path).claims) == 1


def test_the_documentation_names_every_file() -> None:
    text = (EXPERIMENTS.parents[1] / "docs" / "experiments.md").read_text()
    assert [path.stem for path in FILES if f"`{path.stem}`" not in text] == []


def test_the_source_trees_are_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [path.name for path in catalogue.all_files()]
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in catalogue.all_files()] == names
    assert "gp-l.yaml" in names
