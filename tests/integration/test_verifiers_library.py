"""The library `verifiers` behind the adapter. It brings a hundred packages with it, so it lives in an
interpreter of its own:

    python3 -m venv /tmp/verifiers && /tmp/verifiers/bin/pip install 'verifiers>=0.4,<0.5'
    FARFIELD_VERIFIERS_PYTHON=/tmp/verifiers/bin/python \
        python -m pytest tests/integration/test_verifiers_library.py
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("FARFIELD_VERIFIERS_PYTHON", "")
HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]


@pytest.mark.skipif(
    not PYTHON,
    reason="needs an interpreter with verifiers: set FARFIELD_VERIFIERS_PYTHON (see the docstring)",
)
def test_a_taskset_is_played_and_scored() -> None:
    path = os.pathsep.join(map(str, (ROOT / "plugins/verifiers", ROOT / "plugins/sdk", HERE)))
    command = [PYTHON, str(HERE / "verifiers_player.py")]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    report = json.loads(done.stdout)
    assert report["messages"] == [["system", "Add."], ["user", "1 + 1?"]]
    assert report["state"] == "terminated"
    assert report["verdicts"] == [
        [1.0, True, {"turns": 1.0, "right": 0.75, "short": 0.25}],
        [0.25, False, {"turns": 1.0, "right": 0.0, "short": 0.25}],
        [0.0, False, {"turns": 1.0, "right": 0.0, "short": 0.0}],
    ]
    assert "the function broke" in report["broken"]
    everything, train, heldout = (set(report["splits"][split]) for split in ("all", "train", "heldout"))
    assert len(everything) == 40
    assert (train | heldout, train & heldout) == (everything, set())
    assert 2 <= len(heldout) <= 14
    assert "has no task in the split 'heldout'" in report["none"]
    assert "it acts beside the reply (setup)" in report["prepared"]
