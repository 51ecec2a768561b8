"""A small experiment and run folders as trainers leave them, with outcomes drawn from given shares."""

import base64
import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from farfield_cli.experiment.definition import files
from farfield_cli.experiment.definition.experiment import Experiment

TESTS = Path(__file__).parents[3]


def _chromium() -> ModuleType:
    """The driver of a browser, which is no package."""
    spec = importlib.util.spec_from_file_location("chromium", TESTS / "chromium.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


chromium = _chromium()
PARAMETERS, TOKENS = 1000, 500
"""Of the model; of each update."""
FILE = """
title: A game, by rule
question: Does it carry over?
paper:
  source: arXiv 2501.17161
  numbers: {sft: {ood: [11.5, 3.4]}, rl: {ood: [11.5, 15.0]}}
suites:
  id: {label: trained rule, shift: id, environment: {name: game}, episodes: 200}
  ood: {label: unseen rule, shift: rule, environment: {name: game}, episodes: 200}
common: {base: BASE, environment: {name: game}, evaluation: {at_start: false, every: 5}}
arms:
  base: {label: base, algorithm: {kind: rl}, updates: 0, evaluation: {at_start: true}}
  sft: {label: SFT, algorithm: {kind: sft}, updates: 20, demonstrations: {batch_size: 8}}
  rl: {label: RL, algorithm: {kind: rl}, updates: 10}
  rl_after: {label: RL after SFT, from: {arm: sft, update: 5}, algorithm: {kind: rl}, updates: 10}
claims:
  - name: rl_above_sft
    text: On the unseen rule RL ends above SFT
    compare: {arm: rl, suite: ood}
    with: {arm: sft, suite: ood}
    paper: +11.6 points
    control: {compare: {arm: rl, suite: ood}, with: {arm: sft, suite: ood}, at: equal_compute}
  - name: rl_gains
    text: RL raises the unseen rule
    compare: {arm: rl, suite: ood}
    with: {arm: rl, suite: ood, at: start}
    no_control: It blames nothing.
seeds: [0, 1, 2]
"""
CHECKPOINT = TESTS.parent / "examples" / "tiny" / "checkpoint"
Curve = Mapping[int, tuple[float, float]]
"""Shares solved on id and ood by update."""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    path = tmp_path / "game.yaml"
    path.write_text(FILE.replace("BASE", str(CHECKPOINT)))
    return files.read(path)


def outcome(index: int, solved: bool) -> dict[str, Any]:
    correct = [False, True] if solved and index % 2 else [solved]
    return {
        "index": index,
        "seed": str(1000 + index),
        "failure": "",
        "success": solved,
        "correct": correct,
        "same": [False] * (len(correct) - 1),
        "reward": float(solved),
        "metrics": {},
    }


def outcomes(share: float, seed: int, arm: str, episodes: int = 200) -> list[dict[str, Any]]:
    """Half of an episode's luck is its own start's, and so the same in every arm; the last one failed."""
    start = np.random.default_rng(seed).random(episodes)
    luck = np.random.default_rng([seed, *arm.encode()]).random(episodes)
    solved = (start + luck) / 2 < np.quantile((start + luck) / 2, share)
    found = [outcome(index, bool(one)) for index, one in enumerate(solved)]
    return [*found[:-1], {"index": episodes - 1, "seed": "0", "failure": "environment"}]


def metrics(played: list[dict[str, Any]], update: int) -> dict[str, float]:
    held = [one for one in played if not one["failure"]]
    share = sum(one["success"] for one in held) / len(held)
    trained = float(TOKENS * update)
    return {
        "episodes": float(len(held)),
        "success": share,
        "success_stderr": (share * (1 - share) / len(held)) ** 0.5,
        "compute": 6.0 * PARAMETERS * trained,
        "tokens_init": 0.0,
        "tokens_train": trained,
        "tokens_buffer": 0.0,
    }


def summary(updates: int) -> dict[str, Any]:
    return {
        "episodes": {"planned": 8, "trained": 8, "failed": 0, "evaluated": 400, "evaluated_failed": 2},
        "turns": {"trained": 20, "evaluated": 600},
        "trained_exactly_once": True,
        "compute": {"parameters": PARAMETERS, "compute": 6.0 * PARAMETERS * TOKENS * updates},
        "seconds": {"train": 1.5, "evaluate": 2.0},
    }


Play = Callable[..., Path]


@pytest.fixture
def play(tmp_path: Path, experiment: Experiment) -> Play:
    """Writes the folder of one run: `play(arm, seed, {update: (share of id, share of ood)})`."""

    def played(arm: str, seed: int, curve: Curve, state: str = "succeeded") -> Path:
        run = tmp_path / "out" / "runs" / "lane" / f"{arm}-s{seed}"
        lines = []
        for update, shares in curve.items():
            for suite, share in zip(("id", "ood"), shares, strict=True):
                found = outcomes(share, seed, arm)
                path = run / "outcomes" / suite / f"{update:06d}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"episodes": found}))
                lines.append(
                    {"kind": "eval", "suite": suite, "update": update, "metrics": metrics(found, update)}
                )
        config = experiment.arms[arm].run | {"evaluation": {"suites": {"id": {}, "ood": {}}}}
        record = {"run_id": run.name, "state": state, "config": config}
        (run / "run.json").write_text(json.dumps(record))
        (run / "reports.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if state == "succeeded":
            (run / "summary.json").write_text(json.dumps(summary(max(curve))))
        return run

    return played


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def whole(experiment: Experiment, play: Play, out: Path) -> Path:
    """Every arm and seed: SFT forgets the unseen rule, RL gains on it."""
    for seed in experiment.seeds:
        play("base", seed, {0: (0.6, 0.2)})
        play("sft", seed, {5: (0.7, 0.15), 10: (0.75, 0.1), 15: (0.78, 0.08), 20: (0.8, 0.05)})
        play("rl", seed, {5: (0.7, 0.25), 10: (0.8, 0.3)})
        play("rl_after", seed, {5: (0.8, 0.2), 10: (0.85, 0.25)})
    return out


PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def trajectory(arm: str, index: int) -> dict[str, Any]:
    """As trainers keep them; every third one is solved, and episode 0 shows a picture."""
    image = {"image": {"sha256": hashlib.sha256(PICTURE).hexdigest(), "mediaType": "image/png"}}
    text = {"text": f"target 24 J 11 Q 12 K 13 cards 4 Q {index + 2} K"}
    solved = index % 3 == 0
    verdict = {"feedback": f"words for {arm} <b>", "terms": {"generalpoints/solved": float(solved)}}
    return {
        "spec": {
            "episodeId": f"{arm}/eval/{index}",
            "environmentSeed": str(1000 + index),
            "environment": {"name": "generalpoints"},
        },
        "success": solved,
        "end": "STATE_TERMINATED",
        "turns": [
            {
                "messages": [{"role": "ROLE_USER", "parts": [image, text] if index == 0 else [text]}],
                "responseText": f"+ - </script>{arm}",
                "responseIds": [6, 7, 2],
                "logprobs": [-0.01, -1.5, -6.0],
                "verdict": verdict | ({"correct": True, "reward": 1.0} if solved else {}),
            }
        ],
    }


@pytest.fixture
def with_episodes(whole: Path) -> Path:
    """Some kept to be read, of every evaluation."""
    for path in whole.glob("runs/lane/*/outcomes/*/*.json"):
        run = path.parents[2]
        kept = run / "episodes" / path.parent.name / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([trajectory(run.name, index) for index in range(7)]))
        blob = run / "episodes" / "blobs" / f"{hashlib.sha256(PICTURE).hexdigest()}.png"
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(PICTURE)
    return whole
