"""The experiment gp-l at the scale `smollm2-lora`, with the real weights and a few episodes of everything.

Where `make smollm2-model` was not run there is nothing to play, and nothing is downloaded for it.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "examples" / "smollm2" / "checkpoint"
SCALE = "smollm2-lora"
SECONDS = 1700

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(SECONDS + 60),
    pytest.mark.skipif(not (WEIGHTS / "config.json").exists(), reason="no weights: make smollm2-model"),
]

ONE_ATTEMPT = {"environment": {"options": {"max_turns": 1}}}
FEW = {
    "common": {"sampling": {"max_new_tokens": 64}, **ONE_ATTEMPT},
    "suites": {
        "id": {"episodes": 2, **ONE_ATTEMPT},
        "ood": {"episodes": 2, **ONE_ATTEMPT},
        "ood_greedy": None,
    },
    "arms": {
        "init": {"updates": 2, "demonstrations": {"batch_size": 4}},
        "rl": {"updates": 2, "batch": {"groups": 2, "group_size": 2}, "evaluation": {"every": 2}},
    },
}


def test_it_plays_on_a_cpu(tmp_path: Path) -> None:
    """SFT on the form, then RL from the adapter that it has left: sizes aside, as the file says."""
    file = tmp_path / "few.yaml"
    whole = ROOT / "examples" / "experiments" / "gp-l.yaml"
    file.write_text(yaml.safe_dump({"extends": str(whole), "scales": {SCALE: FEW}}))
    command = ["experiment", "run", str(file), "--scale", SCALE, "--quick", "--arms", "rl", "--lanes", "1"]
    played = subprocess.run(
        [sys.executable, "-m", "farfield_cli", *command, "--out", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    result = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert result["finished"]
    assert {arm: one["kind"] for arm, one in result["arms"].items()} == {"init": "sft", "rl": "rl"}
    (run,) = (tmp_path / "out" / "runs").glob("*/rl-s0")
    lines = [json.loads(line) for line in (run / "reports.jsonl").read_text().splitlines()]
    updates = [line["metrics"] for line in lines if line["kind"] == "update"]
    assert [one["episodes_failed"] for one in updates] == [0, 0]
    for one in updates:
        assert one["mismatch_ratio_max"] == pytest.approx(1, abs=1e-3)
    assert (run / "weights" / "000002" / "adapter_model.safetensors").is_file()
