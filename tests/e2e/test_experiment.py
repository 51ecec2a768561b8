"""`farfield experiment run`, killed with all that it started in the middle of its runs, and started again.

Slow, since it starts the local stack twice.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from farfield_cli.stack.stack import MARK

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
TINY = ROOT / "examples" / "tiny" / "checkpoint"
PATIENCE_SECONDS = 800
GAME: dict[str, Any] = {"name": "generalpoints", "variant": "id", "options": {"prompt": "compact"}}
RL: dict[str, Any] = {
    "algorithm": {"kind": "rl"},
    "updates": 2,
    "batch": {"groups": 2, "group_size": 2},
}
FILE: dict[str, Any] = {
    "title": "A game",
    "question": "Does it go on?",
    "suites": {"id": {"label": "seen", "shift": "id", "episodes": 8, "environment": GAME}},
    "common": {
        "base": str(TINY),
        "base_tokens": 1000,
        "environment": GAME,
        "reward": {"leaf": {"verifier": "generalpoints", "options": {"rewards": "outcome"}}},
        "sampling": {"max_new_tokens": 40},
        "checkpoint": {"every": 1},
    },
    "arms": {
        "sft": {
            "label": "SFT",
            "algorithm": {"kind": "sft"},
            "updates": 12,
            "demonstrations": {"style": "optimal", "batch_size": 8},
        },
        "after": {"label": "RL after SFT", "from": {"arm": "sft", "update": 5}, **RL},
        "bare": {"label": "RL from fresh weights", "base": {"fresh": str(TINY)}, **RL},
    },
    "claims": [
        {
            "name": "better",
            "text": "RL raises what SFT reached",
            "compare": {"arm": "after", "suite": "id"},
            "with": {"arm": "after", "suite": "id", "at": "start"},
            "no_control": "A game.",
        }
    ],
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    (tmp_path / "game.yaml").write_text(yaml.safe_dump(FILE, sort_keys=False))
    command = [sys.executable, "-m", "farfield_cli", "experiment", "run", str(tmp_path / "game.yaml")]
    started: list[subprocess.Popen[bytes]] = []

    def make() -> subprocess.Popen[bytes]:
        with (tmp_path / "said.txt").open("ab") as log:
            made = subprocess.Popen(
                [*command, "--out", str(tmp_path / "out")],
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        started.append(made)
        return made

    yield make
    for one in started:
        one.kill()  # its children are tied to it
        one.wait()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def leftovers(out: Path) -> list[psutil.Process]:
    """Processes of the stack in the folder."""
    found, state = [], str((out / ".farfield").resolve())
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == state or process.cwd().startswith(state)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def run_of(out: Path, run_id: str) -> dict[str, Any]:
    (path,) = out.glob(f"runs/*/{run_id}/run.json")
    record: dict[str, Any] = json.loads(path.read_text())
    summary = json.loads((path.parent / "summary.json").read_text())
    assert record["state"] == "succeeded"
    assert summary["trained_exactly_once"] is True
    return record | {"summary": summary, "folder": path.parent}


def test_killed_with_all_its_processes_an_experiment_goes_on(
    tmp_path: Path, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    out = tmp_path / "out"
    first = start()
    until(lambda: bool(list(out.glob("runs/*/sft-s0/checkpoints/000003.*"))) or first.poll() is not None)
    assert first.poll() is None, (tmp_path / "said.txt").read_text()
    first.send_signal(signal.SIGKILL)
    for process in leftovers(out):
        with contextlib.suppress(psutil.NoSuchProcess):  # most die with the one that started them
            process.kill()
    first.wait()
    until(lambda: not leftovers(out))
    assert not list(out.glob("runs/*/after-s0/run.json"))

    again = start()
    assert again.wait(PATIENCE_SECONDS) == 0, (tmp_path / "said.txt").read_text()
    said = (tmp_path / "said.txt").read_text()
    assert "going on with game" in said
    sft, after, bare = (run_of(out, f"{arm}-s0") for arm in ("sft", "after", "bare"))
    assert sft["lives"] == 2
    assert after["config"]["base"] == str(sft["folder"] / "weights" / "000005")
    assert after["config"]["base_tokens"] > 1000
    assert after["summary"]["compute"]["tokens_init"] == after["config"]["base_tokens"]
    assert bare["config"]["base"].startswith(str(out / "bases"))
    found = json.loads((out / "experiment.json").read_text())
    assert found["finished"] is True
    assert found["claims"][0]["name"] == "better"
    assert "RL raises what SFT reached" in (out / "report.html").read_text()
    assert leftovers(out) == []
