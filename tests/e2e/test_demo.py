"""The whole local stack: `farfield demo --quick`, left alone, killed at, and interrupted."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from farfield_cli.stack.stack import MARK

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 800
POINTS = [(branch, suite) for branch in ("init", "sft", "sft_matched", "rl") for suite in ("id", "ood")]


class Farfield:
    """`farfield` in a process of its own; what it leaves behind can be seen."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self.out = out
        self._log = out.with_suffix(".txt")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "farfield_cli", "demo", "--quick", "--out", str(out), *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def record(self) -> dict[str, Any]:
        path = self.out / ".farfield" / "stack.json"
        return json.loads(path.read_text()) if path.exists() else {"programs": []}

    def pid_of(self, name: str) -> int | None:
        return next((one["pid"] for one in self.record()["programs"] if one["name"] == name), None)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """Processes of this demo's stack that are still there. Redis writes its title over its environment:
        it is known by the folder that it works in."""
        state, found = (self.out / ".farfield").resolve(), []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK) == str(state) or process.cwd() == str(state / "redis")
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Farfield]]:
    started: list[Farfield] = []

    def make(*arguments: str) -> Farfield:
        started.append(Farfield(tmp_path / "demo", *arguments))
        return started[-1]

    yield make
    for one in started:
        if one.process.poll() is None:
            one.process.kill()  # its children are tied to it
            one.process.wait()


def check_outcome(demo: Farfield) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((demo.out / "summary.json").read_text())
    assert summary["trained_exactly_once"] is True
    for branch, suite in POINTS:
        point = summary[branch][suite]
        assert point["n"] == 32
        assert 0 <= point["success"] <= 1
    ledger = summary["ledger"]["rl"]
    assert ledger["planned"] == ledger["trained"] == 3 * 8 * 4
    assert ledger["failed"] == 0
    assert summary["episodes"] == 96 + len(POINTS) * 32
    assert summary["turns"] >= summary["episodes"]
    assert summary["verdict"]["status"] == "not enough data"
    assert (demo.out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "rl-s0/eval/ood" in (demo.out / "report.html").read_text()
    assert demo.leftovers() == []
    return summary


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Farfield:
    """Deterministic, with one worker in each lane."""
    demo = Farfield(tmp_path_factory.mktemp("undisturbed") / "demo", "--deterministic")
    try:
        assert demo.wait() == 0, demo.said
    finally:
        demo.process.kill()
    return demo


def test_a_quick_demo(undisturbed: Farfield) -> None:
    summary = check_outcome(undisturbed)
    assert summary["restarts"] == {}
    assert 0 < summary["memory"]["peak_bytes"] < summary["memory"]["limit_bytes"]
    assert "Not enough data: 32 episodes per point" in undisturbed.said


def test_killed_at_with_three_workers_it_ends_with_the_same_weights(
    undisturbed: Farfield, start: Callable[..., Farfield]
) -> None:
    demo = start("--deterministic", "--workers", "3")
    run = demo.out / "runs" / "rl" / "rl-s0"
    victims = ("worker.rl.0", "policy.rl", "environment")
    demo.until(lambda: (run / "run.json").exists())
    for victim in victims:
        kill(demo, victim)
    demo.until(lambda: (run / "checkpoints").exists() and any((run / "checkpoints").iterdir()))
    for victim in (*victims, "trainer.rl"):
        kill(demo, victim)
    assert demo.wait() == 0, demo.said
    summary = check_outcome(demo)
    assert set(summary["restarts"]) == {*victims, "trainer.rl"}
    assert final_weights(demo) == final_weights(undisturbed)


def final_weights(demo: Farfield) -> dict[str, str]:
    """Sums of the last weights of each trained branch."""
    found = {}
    for run in ("rl/rl-s0", "sft/sft-s0", "sft/sft_matched-s0"):
        newest = max((demo.out / "runs" / run / "weights").glob("[0-9]*"))
        found[run] = hashlib.sha256((newest / "model.safetensors").read_bytes()).hexdigest()
    return found


def kill(demo: Farfield, name: str) -> None:
    """With SIGKILL, once it runs; returns when another has taken its place."""
    demo.until(lambda: demo.pid_of(name) is not None)
    pid = demo.pid_of(name)
    assert pid
    os.kill(pid, signal.SIGKILL)
    demo.until(lambda: demo.pid_of(name) not in (None, pid))


def test_a_demo_that_is_interrupted_goes_on(start: Callable[..., Farfield]) -> None:
    demo = start()
    demo.until(lambda: (demo.out / "runs" / "sft" / "init-s0" / "summary.json").exists())
    assert len(demo.leftovers()) == len(demo.record()["programs"])
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 130, demo.said
    assert demo.leftovers() == []
    assert not (demo.out / "summary.json").exists()

    again = start()
    assert again.wait() == 0, again.said
    assert "going on with the demo" in again.said
    check_outcome(again)
