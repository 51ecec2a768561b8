"""Run folders as trainers write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PARAMETERS, TOKENS_INIT = 10, 1000
Curve = dict[int, tuple[float, float]]
"""Success on ID and OOD by version."""


def eval_line(update: int, suite: str, success: float, episodes: int) -> dict[str, Any]:
    trained = 100.0 * update
    metrics = {
        "success": success,
        "episodes": float(episodes),
        "compute": 6.0 * PARAMETERS * (TOKENS_INIT + trained),
        "tokens_init": float(TOKENS_INIT),
        "tokens_train": trained,
        "tokens_buffer": 0.0,
    }
    return {"kind": "eval", "suite": suite, "update": update, "metrics": metrics}


def trajectory(text: str) -> dict[str, Any]:
    """JSON of protobuf, where zeros are left out."""
    return {
        "spec": {"episodeId": "r/eval/id/000000/0000", "environmentSeed": "7"},
        "end": "STATE_TRUNCATED",
        "turns": [
            {
                "messages": [{"role": "ROLE_USER", "parts": [{"text": text}]}],
                "responseText": text,
                "verdict": {"feedback": text, "terms": {"solved": 0.0}},
            },
            {"responseText": "again"},
        ],
    }


@pytest.fixture
def make_run() -> Callable[..., Path]:
    def make(folder: Path, curve: Curve, episodes: int = 50, lost: int = 0, text: str = "hm") -> Path:
        folder.mkdir(parents=True)
        suites: dict[str, Any] = {"id": {}, "ood": {}}
        config = {
            "algorithm": {"kind": "rl"},
            "environment": {"name": "game"},
            "evaluation": {"suites": suites},
        }
        record = {"run_id": folder.name, "state": "succeeded", "config": config}
        (folder / "run.json").write_text(json.dumps(record))
        lines = [
            eval_line(update, suite, success, episodes)
            for update, shares in curve.items()
            for suite, success in zip(suites, shares, strict=True)
        ]
        (folder / "reports.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
        (folder / "summary.json").write_text(json.dumps(summary(len(lines) * episodes, lost)))
        for suite in suites:
            kept = folder / "episodes" / suite / f"{max(curve):06d}.json"
            kept.parent.mkdir(parents=True)
            kept.write_text(json.dumps([trajectory(text)]))
        return folder

    return make


def summary(evaluated: int, lost: int) -> dict[str, Any]:
    return {
        "episodes": {
            "planned": 8,
            "trained": 7 - lost,
            "failed": 1,
            "evaluated": evaluated,
            "evaluated_failed": 0,
            "duplicates": 0,
        },
        "turns": {"trained": 20, "evaluated": 2 * evaluated},
        "trained_exactly_once": True,
        "compute": {"parameters": PARAMETERS, "compute": 1e5},
        "seconds": {"train": 1.5, "evaluate": 2.0},
    }
