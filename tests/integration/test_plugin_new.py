"""A new plugin, installed and put through everything that its README names."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from farfield_cli.runs import run_file
from farfield_environment.config import EnvironmentConfig
from farfield_kernel.config import parse
from farfield_trainer.run_config import RunConfig
from farfield_verifier.config import VerifierConfig

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=["env", "verifier"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The new folder, and a way to run modules where its plugin is installed."""
    folder = tmp_path_factory.mktemp(request.param)
    site = folder / "site"
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    distribution = folder / "farfield-my-game"

    def run(*words: str, **options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=distribution if distribution.exists() else folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
            **options,
        )

    done = run("farfield_cli", "plugin", "new", request.param, "my-game", "--path", str(folder))
    assert done.returncode == 0, done.stderr
    assert "farfield plugin check my-game" in done.stdout
    pip = run(
        *("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--target", str(site), str(distribution)),
    )
    assert pip.returncode == 0, pip.stderr
    return distribution, run


@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "farfield_my_game"),
        ("farfield_cli", "plugin", "check", "my-game", "--level", "api", "--level", "semantics"),
        ("pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestDeprecationWarning"),
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_it_passes_at_once(made: tuple[Path, Run], words: tuple[str, ...]) -> None:
    done = made[1](*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_listed(made: tuple[Path, Run]) -> None:
    done = made[1]("farfield_cli", "plugin", "list")
    assert "my-game" in done.stdout
    assert "broken" not in done.stdout


def test_it_can_be_played(made: tuple[Path, Run]) -> None:
    distribution, run = made
    if not (distribution / "farfield_my_game" / "environment.py").exists():
        pytest.skip("a verifier alone has no game")
    done = run(
        "farfield_cli", "play", "my-game", "--variant", "ood", "--seed", "1", input="7\nanswer: 1\n/quit\n"
    )
    assert done.returncode == 0, done.stderr
    assert "base 8" in done.stdout
    assert "This is not the sum in that base." in done.stdout


def test_its_run_file_is_a_run(made: tuple[Path, Run]) -> None:
    config = parse(RunConfig, run_file.read(made[0] / "run.yaml"), "run.yaml")
    assert config.reward["leaf"]["verifier"] == "my-game"


def test_its_values_configure_services(made: tuple[Path, Run]) -> None:
    values = yaml.safe_load((made[0] / "values.yaml").read_text())
    for key, config in (("environments", EnvironmentConfig), ("verifiers", VerifierConfig)):
        for entry in values.get(key, []):
            assert parse(config, entry["config"], key).plugins == ("my-game",)
            assert entry["image"]["repository"].endswith("/farfield-my-game")
            assert entry["replicas"] >= 1


def test_nothing_is_written_over(made: tuple[Path, Run]) -> None:
    distribution, run = made
    done = run("farfield_cli", "plugin", "new", "env", "my-game", "--path", str(distribution.parent))
    assert done.returncode == 1
    assert "my_game is installed" in done.stderr or "exists" in done.stderr


@pytest.mark.parametrize("name", ["My-Game", "1st", "a--b", "game!", "cli", "a" * 25])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "farfield_cli", "plugin", "new", "env", name, "--path", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "choose another name" in done.stderr or "is no name" in done.stderr
    assert not list(tmp_path.iterdir())
