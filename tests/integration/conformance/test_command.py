"""`farfield plugin check` and `list`, with plugins that are installed as others install theirs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from farfield_conformance.hosting import hosted

HERE = Path(__file__).parent

Command = Callable[..., subprocess.CompletedProcess[str]]


def install(folder: Path, **groups: str) -> None:
    """A distribution in a folder, with an entry point of each group."""
    info = folder / "samples-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: samples\nVersion: 1.0\n")
    sections = [f"[farfield.{group}]\n{line}\n" for group, line in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(sections))


@pytest.fixture
def farfield(tmp_path: Path) -> Command:
    """The command, where the plugins of a folder are installed too."""
    path = os.pathsep.join([str(tmp_path / "site"), str(HERE)])

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "farfield_cli", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        )

    return run


def test_a_plugin_that_differs_from_process_to_process_is_found(farfield: Command, tmp_path: Path) -> None:
    install(tmp_path / "site", environments="sums = sample_games:Hashed")
    junit = tmp_path / "results.xml"
    done = farfield("plugin", "check", "sums", "--level", "semantics", "--junit", str(junit))
    assert done.returncode == 1, done.stderr
    assert "FAIL  two-processes-play-the-same" in done.stdout
    assert "to do:    Draw from `random.Random(seed)`" in done.stdout
    assert "ok    episodes-repeat" in done.stdout
    assert "noise-earns-less-than-the-oracle: no verifier is named" in done.stdout
    suite = ElementTree.parse(junit).getroot()  # noqa: S314
    assert (suite.get("name"), suite.get("failures")) == ("sums", "1")


def test_checks_of_others_are_run_too(farfield: Command, tmp_path: Path) -> None:
    install(
        tmp_path / "site", environments="sums = sample_games:Sums", conformance_checks="x = sample_checks"
    )
    done = farfield("plugin", "check", "sums", "--level", "static", "--waive", "defaults-start=for a test")
    assert done.returncode == 0, done.stdout
    assert "ok    prompts-ask" in done.stdout
    assert "skip  defaults-start: waived: for a test" in done.stdout


def test_a_verifier_alone_is_judged_by_its_examples(farfield: Command, tmp_path: Path) -> None:
    install(tmp_path / "site", verifiers="sums = sample_games:WithExamples")
    done = farfield("plugin", "check", "sums")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "right-responses-pass: 1 right, 1 wrong" in done.stdout


def test_a_plugin_that_does_not_load_is_named_with_its_error(farfield: Command, tmp_path: Path) -> None:
    torn = "torn = no_such_module:Game"
    install(tmp_path / "site", environments=torn, verifiers=torn)
    done = farfield("plugin", "check", "torn", "--level", "static")
    assert done.returncode == 1
    assert done.stdout.count("FAIL  is-hosted") == 2
    assert "ModuleNotFoundError: No module named 'no_such_module'" in done.stdout
    assert "skip  describes-itself: not hosted: see is-hosted" in done.stdout
    listed = farfield("plugin", "list")
    assert "torn (environment) is broken: ModuleNotFoundError" in listed.stdout
    assert "generalpoints" in listed.stdout


def test_a_running_service_is_checked_at_its_address(farfield: Command) -> None:
    with hosted("environment", "generalpoints") as one, hosted("environment", "generalpoints") as other:
        at = ("--endpoint", one.address, "--twin", other.address)
        done = farfield("plugin", "check", "generalpoints", *at, "--level", "wire", "--level", "semantics")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skip  leases-end-and-are-renewed: leases last 120 s here" in done.stdout
    assert "ok    two-processes-play-the-same: 9 seeds" in done.stdout
    assert "ok    the-oracle-wins: 8 episodes of 1 to 1 turns" in done.stdout  # by its demonstrations


def test_an_unknown_name_says_what_is_installed(farfield: Command) -> None:
    done = farfield("plugin", "check", "sums")
    assert done.returncode == 1
    assert "no plugin 'sums' is installed" in done.stderr
    assert "generalpoints" in done.stderr


def test_an_unknown_check_cannot_be_waived(farfield: Command) -> None:
    done = farfield("plugin", "check", "generalpoints", "--waive", "no-such-check=why")
    assert done.returncode == 1
    assert "no check is named no-such-check" in done.stderr
