"""The library, asked with plain data. Imported in child processes alone: see `children`."""

import difflib
import json
import math
import random
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from reasoning_gym.dataset import ProceduralDataset
from reasoning_gym.factory import CURRICULA, DATASETS

from farfield_reasoning_gym.excluded import EXCLUDED

SEEDS = 2**31
"""Generators take seeds below this."""
_OURS = ("seed", "size")
"""Keys of every configuration that are not the task's: the episode's seed decides."""
_SOLUTIONS = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Where in the metadata a solution is, in data sets that have many and leave `answer` empty."""
_TUPLES = {"arc_agi": ("input", "output"), "rearc": ("input", "output")}
"""Metadata whose scorers compare boards as tuples, which JSON turns into lists."""


def names() -> list[str]:
    return sorted(DATASETS)


def check(task: dict[str, Any]) -> None:
    """Raises for a task that is not offered or cannot be made; the message says what to change."""
    _check_name(task["dataset"])
    _make(task, 0)


def entry(task: dict[str, Any], seed: int) -> dict[str, Any]:
    """The only item of the data set that the seed makes, as JSON has it. A generator may draw from the
    process-wide generators too, so that these are seeded with it."""
    number = seed % SEEDS
    random.seed(number)
    np.random.seed(number)
    made = _make(task, number)[0]
    if made["answer"] is None and task["dataset"] in _SOLUTIONS:
        solution = made["metadata"][_SOLUTIONS[task["dataset"]]]
        made["answer"] = solution if isinstance(solution, str) else json.dumps(solution)
    return json.loads(json.dumps(made, allow_nan=False))


def score(task: dict[str, Any], answer: str, entry: dict[str, Any]) -> float:
    """The data set's own score of the answer."""
    for key in _TUPLES.get(task["dataset"], ()):
        entry["metadata"][key] = tuple(map(tuple, entry["metadata"][key]))
    given = _scorer(json.dumps(task, sort_keys=True)).score_answer(answer, entry)
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not math.isfinite(given):
        raise ValueError(f"the scorer of '{task['dataset']}' gave {given!r}: no finite number")
    return float(given)


@lru_cache(maxsize=128)
def _scorer(task: str) -> ProceduralDataset:
    return _make(json.loads(task), 0)


def _make(task: dict[str, Any], seed: int) -> ProceduralDataset:
    """The data set, of one item. Its constructor validates the configuration."""
    name, given = task["dataset"], task["config"]
    cls, config_cls = DATASETS[name]
    _check_keys(name, config_cls, given)
    config = config_cls() if task["level"] is None else _at_level(name, task["level"])
    return cls(config=replace(config, **given, seed=seed, size=1))


def _check_name(name: str) -> None:
    if name in EXCLUDED:
        raise ValueError(f"data set '{name}' is not offered: {EXCLUDED[name]}")
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "choose one of " + ", ".join(sorted(DATASETS))
        raise ValueError(f"reasoning-gym has no data set '{name}'; {hint}")


def _check_keys(name: str, config_cls: type, given: dict[str, Any]) -> None:
    known = sorted(field.name for field in fields(config_cls) if field.name not in _OURS)
    for key in given:
        if key in _OURS:
            raise ValueError(f"config.{key} is not taken: the seed of the episode decides on the item")
        if key not in known:
            raise ValueError(f"data set '{name}' has no key '{key}'; it has: {', '.join(known)}")


def _at_level(name: str, level: int) -> Any:
    """The configuration that the data set's curriculum gives a level; attributes with fewer levels stay at
    their last."""
    if name not in CURRICULA:
        raise ValueError(f"data set '{name}' has no curriculum: set keys of its config instead")
    curriculum = CURRICULA[name]()
    levels = max(len(attribute.levels) for attribute in curriculum.attributes.values())
    if level >= levels:
        raise ValueError(f"the curriculum of '{name}' has levels 0 … {levels - 1}, not {level}")
    curriculum.set_global_level(level)
    return curriculum.generate_configuration()
