"""The real OpenEnv, both ways: its client plays our environments, our services play its environment.

OpenEnv brings a hundred packages with it, so it lives in an interpreter of its own:

    python3 -m venv .openenv && .openenv/bin/pip install openenv uvloop
    FARFIELD_OPENENV_PYTHON=.openenv/bin/python python -m pytest tests/integration/test_openenv.py
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farfield_generalpoints import GeneralPoints

OPENENV = os.environ.get("FARFIELD_OPENENV_PYTHON", "")
PLAYER = Path(__file__).parent / "openenv_player.py"

pytestmark = pytest.mark.skipif(
    not OPENENV, reason="needs an interpreter with openenv: set FARFIELD_OPENENV_PYTHON (see the docstring)"
)

Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process, and gives the port that it names under a key of a JSON line of its log."""
    processes: list[subprocess.Popen[str]] = []

    def started(key: str, *command: str) -> int:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{") and (port := json.loads(line).get(key)):
                return port
        raise AssertionError(f"{command} did not start")

    yield started
    for process in reversed(processes):
        process.terminate()
        process.communicate(timeout=30)


def service(start: Start, name: str, *arguments: str) -> str:
    return f"127.0.0.1:{start('port', sys.executable, '-m', f'farfield_{name}', *arguments)}"


def test_its_client_plays_our_environment(start: Start) -> None:
    facade = [sys.executable, "-m", "farfield_openenv.facade", "--name", "generalpoints", "--port", "0"]
    facade += ["--environment", service(start, "environment"), "--verifier", service(start, "verifier")]
    port = start("openenv_port", *facade)
    command = [OPENENV, str(PLAYER), f"http://127.0.0.1:{port}"]
    played, synchronous = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    opening, first, last, state, refusal = played
    game = GeneralPoints(GeneralPoints.Options())
    (message,) = game.reset(3).observation.messages
    assert opening["text"] == message.text
    assert (opening["reward"], opening["done"]) == (None, False)
    assert (first["reward"], first["done"], first["metadata"]["parseable"]) == (-3.0, False, False)
    assert (last["reward"], last["done"], last["metadata"]["truncated"]) == (-4.0, True, True)
    assert state["step_count"] == 2
    assert "ended at turn 1" in refusal
    assert "EXECUTION_ERROR" in refusal
    assert [one["reward"] for one in synchronous] == [None, -3.0]
