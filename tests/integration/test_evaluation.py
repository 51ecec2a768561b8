"""`farfield eval` as a person runs it: the shipped checkpoint through real processes, none of which stays."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.timeout(300)  # the policy imports torch and transformers

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "examples" / "tiny" / "checkpoint"


def command(out: Path, episodes: int) -> list[str]:
    words = [
        "eval",
        "--suite",
        "gp-l",
        "--model",
        str(CHECKPOINT),
        "--episodes",
        str(episodes),
        "--out",
        str(out),
    ]
    return [sys.executable, "-m", "farfield_cli", *words]


def left_over(out: Path) -> list[str]:
    """Processes of ours: their logs name the folder."""
    mark = str(out.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FARFIELD_STACK") == mark:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_shipped_checkpoint_is_measured(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, 8), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "solved, %" in done.stdout
    data = json.loads((tmp_path / "eval.json").read_text())
    for variant in ("id", "ood"):
        assert data["variants"][variant]["failed"] == {}
        assert data["variants"][variant]["measures"]["success"]["n"] == 8
    assert data["prompt"] == "compact"
    assert len(data["policy"]["fingerprint"]) == 64
    assert len((tmp_path / "episodes.jsonl").read_text().splitlines()) == 16
    assert left_over(tmp_path) == []


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    process = subprocess.Popen(command(tmp_path, 100_000), stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        while not any("farfield_policy" in line for line in left_over(tmp_path)):
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert left_over(tmp_path) == []
    assert not (tmp_path / "eval.json").exists()
