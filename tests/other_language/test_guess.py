"""An environment in another language is checked by the same code: a guessing game in JavaScript."""

import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from farfield_conformance.place import Plan
from farfield_conformance.testing import Conformance

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto"
LEASES = ("120", "1")
"""Seconds of each process: that of the twin is short enough to be watched."""


def googleapis() -> Path:
    """The folder of google/rpc/status.proto, which the Python package ships."""
    spec = find_spec("google.rpc")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]).parents[1]


@pytest.fixture(scope="session")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game with its packages, installed from the lock file."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("guess")
    for name in ("package.json", "package-lock.json", "guess.js"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    if done.returncode:
        pytest.skip(f"npm ci failed, is there a registry? {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="session")
def addresses(game: Path) -> Iterator[list[str]]:
    """Two processes of it."""
    command = ["node", "guess.js", str(PROTO), str(googleapis())]
    processes = [
        subprocess.Popen([*command, lease], cwd=game, stdout=subprocess.PIPE, text=True) for lease in LEASES
    ]
    try:
        yield [process.stdout.readline().strip() for process in processes if process.stdout]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class TestGuess(Conformance):
    environment = "guess"
    found: ClassVar[list[str]] = []

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _start(cls, addresses: list[str]) -> None:
        cls.found[:] = addresses

    @classmethod
    def plan(cls) -> Plan:
        return Plan(environment="guess", endpoint=cls.found[0], twin=cls.found[1])
