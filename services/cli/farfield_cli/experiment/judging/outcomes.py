"""What the episodes of one evaluation came to, as the trainer leaves it in `outcomes/<suite>/<version>.json`.

A measure is a ratio over episodes: each has a sum and a size, such as right steps and judged steps. A failed
episode has no grade and is in no measure.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield_kernel.errors import DataLoss, InvalidArgument
from farfield_kernel.estimates import Estimate, clustered, share

SHARES = ("success", "first_attempt")
"""Measures that are shares of episodes; their error is binomial."""
Parts = tuple[float, int]
"""Sum and size of one episode."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode. `correct`, `parseable`: of each judged turn; `same[i]`: response i + 1 has the text of
    response i."""

    index: int
    seed: str = ""
    """Of the environment: where it is the same, the episode starts the same."""
    success: bool = False
    correct: tuple[bool, ...] = ()
    same: tuple[bool, ...] = ()
    reward: float = 0.0
    metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of the environment: a value for each turn that carries one."""
    parseable: tuple[bool, ...] = ()
    failure: str = ""
    """Its class; then there is no grade."""
    blind: bool = False
    """Asked for a correction and told nothing: what `farfield_kernel.corrections` measures."""

    @classmethod
    def of(cls, data: Mapping[str, Any], *, blind: bool) -> "Outcome":
        return cls(
            index=int(data["index"]),
            seed=str(data.get("seed", "")),
            success=bool(data.get("success", False)),
            correct=tuple(map(bool, data.get("correct", ()))),
            same=tuple(map(bool, data.get("same", ()))),
            reward=float(data.get("reward", 0.0)),
            metrics={name: tuple(map(float, values)) for name, values in data.get("metrics", {}).items()},
            parseable=tuple(map(bool, data.get("parseable", ()))),
            failure=str(data.get("failure", "")),
            blind=blind,
        )


def read(path: Path, *, blind: bool = False) -> list[Outcome]:
    """By index; `blind`: as revision was. DataLoss when the file is torn or means something else."""
    try:
        found = [Outcome.of(one, blind=blind) for one in json.loads(path.read_text())["episodes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"{path} holds no outcomes of episodes: {error!r}") from None
    return sorted(found, key=lambda one: one.index)


def parts(metric: str) -> Callable[[Outcome], Parts]:
    """How a measure is counted. InvalidArgument when there is no such metric."""
    if metric.startswith("metric/"):
        name = metric.removeprefix("metric/")
        return lambda one: (sum(one.metrics.get(name, ())), len(one.metrics.get(name, ())))
    if metric not in _PARTS:
        raise InvalidArgument(f"no metric '{metric}': choose {', '.join(_PARTS)} or metric/NAME")
    return _PARTS[metric]


def graded(outcomes: Iterable[Outcome]) -> dict[int, Outcome]:
    return {one.index: one for one in outcomes if not one.failure}


def measured(outcomes: Iterable[Outcome], metric: str) -> Estimate:
    """The ratio with its error: binomial of a share of episodes, clustered by episode of anything else."""
    of, held = parts(metric), graded(outcomes).values()
    if metric in SHARES:
        return share([bool(of(one)[0]) for one in held])
    return clustered([of(one) for one in held])


def _of_episode(value: Callable[[Outcome], float]) -> Callable[[Outcome], Parts]:
    return lambda one: (float(value(one)), 1)


def _of_both(value: Callable[[bool, bool], float]) -> Callable[[Outcome], Parts]:
    """Of blind episodes with two attempts or more, from the first two."""
    return lambda one: (float(value(*one.correct[:2])), 1) if one.blind and len(one.correct) > 1 else (0.0, 0)


_PARTS: dict[str, Callable[[Outcome], Parts]] = {
    "success": _of_episode(lambda one: one.success),
    "first_attempt": _of_episode(lambda one: one.success and len(one.correct) == 1),
    "step_accuracy": lambda one: (float(sum(one.correct)), len(one.correct)),
    "parseable": lambda one: (float(sum(one.parseable)), len(one.parseable)),
    "reward_mean": _of_episode(lambda one: one.reward),
    "turns_mean": _of_episode(lambda one: len(one.correct)),
    "attempt_1": _of_both(lambda first, _: first),
    "attempt_2": _of_both(lambda _, second: second),
    "correction": _of_both(lambda first, second: second - first),
    "wrong_to_right": _of_both(lambda first, second: second and not first),
    "right_to_wrong": _of_both(lambda first, second: first and not second),
    "unchanged": lambda one: (float(one.same[0]), 1) if one.blind and one.same else (0.0, 0),
}
"""The last six are those of `farfield_kernel.corrections`, of blind episodes with two attempts or more."""
