"""The real OpenEnv, both ways: its client plays our environments, our services play its environment.

OpenEnv brings a hundred packages with it, so it lives in an interpreter of its own:

    python -m benchmarks.peers openenv
    FARFIELD_OPENENV_PYTHON=.peers/openenv/bin/python python -m pytest tests/integration/test_openenv.py
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1.types_pb2 import STATE_CONTINUE, STATE_TRUNCATED
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_generalpoints import GeneralPoints
from farfield_kernel.wire import struct_from

OPENENV = os.environ.get("FARFIELD_OPENENV_PYTHON", "")
HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
ECHO = HERE / "openenv_echo.py"

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
    command = [OPENENV, str(HERE / "openenv_player.py"), f"http://127.0.0.1:{port}"]
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


def test_our_services_play_its_environment(start: Start) -> None:
    port = start("port", OPENENV, str(ECHO))
    options = {
        "url": f"http://127.0.0.1:{port}",
        "action_field": "response",
        "template": "{text}",
        "max_turns": 2,
    }
    with (
        grpc.insecure_channel(service(start, "environment")) as to_environment,
        grpc.insecure_channel(service(start, "verifier")) as to_verifier,
    ):
        stub = EnvironmentServiceStub(to_environment)
        created = stub.CreateSessions(
            env.CreateSessionsRequest(
                environment=env.EnvironmentRef(name="openenv", options=struct_from(options)),
                sessions=[env.NewSession(session_id="a", seed=7)],
            )
        )
        assert created.sessions[0].observation.messages[0].parts[0].text == "episode 7"
        for turn, state in enumerate([STATE_CONTINUE, STATE_TRUNCATED]):
            action = env.Action(session_id="a", turn=turn, response="hello")
            outcome = stub.Step(env.StepRequest(actions=[action])).results[0].outcome
            assert outcome.observation.messages[0].parts[0].text == "you said 5"
            assert outcome.state == state
        attempt = ver.Attempt(facts_json=outcome.facts_json, turn=1, state=outcome.state)
        plan = ver.RewardPlan(leaf=ver.Leaf(verifier="openenv"))
        judged = VerifierServiceStub(to_verifier).Verify(ver.VerifyRequest(plan=plan, attempts=[attempt]))
        assert judged.results[0].verdict.reward == 0.0


def test_its_environment_runs_in_our_process() -> None:
    """The adapter in OpenEnv's interpreter: all it needs beside is the SDK."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("plugins/openenv", "plugins/sdk"))
    command = [OPENENV, str(HERE / "openenv_local.py")]
    played = subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path}
    ).stdout
    assert json.loads(played) == ["episode 7", "you said 5", 0.0]
