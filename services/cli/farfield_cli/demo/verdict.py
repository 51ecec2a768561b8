"""What the numbers of a demo support, and no more.

A condition is a difference that has to reach a threshold. It is *met* when the estimate reaches it and the
effect stands out from noise; *not met* when the estimate misses the threshold by more than noise; otherwise
it is *open*: this many episodes and seeds cannot tell. Noise is two standard errors, or Student's t (95 %)
times the error between seeds where that is more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from farfield_cli.report.points import Point, percent, smallest
from farfield_cli.report.student import student_quantile

SIGMAS = 2.0
ENOUGH = 500
"""Episodes per point below which nothing is claimed."""

Results = Mapping[str, Mapping[str, Point]]
"""Points by branch (init, sft, sft_matched, rl) and suite (id, ood)."""


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    OPEN = "open"


class Status(StrEnum):
    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NOT_ENOUGH = "not enough data"


@dataclass(frozen=True, slots=True)
class Condition:
    """`estimate` has to reach `threshold`; `effect` has to stand out from noise. In shares, not percent."""

    name: str
    text: str
    estimate: float
    threshold: float
    noise: float
    """Of the estimate."""
    effect: float
    effect_stderr: float
    effect_noise: float

    @property
    def answer(self) -> Answer:
        margin = self.estimate - self.threshold
        if margin < -self.noise:
            return Answer.NO
        stands_out = self.effect > self.effect_noise
        return Answer.YES if margin >= 0 and stands_out else Answer.OPEN

    @property
    def measured(self) -> str:
        return f"{100 * self.effect:+.1f} ± {100 * self.effect_stderr:.1f} points"

    def data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "text": self.text,
            "answer": self.answer.value,
            "effect": round(self.effect, 6),
            "stderr": round(self.effect_stderr, 6),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    status: Status
    line: str
    conditions: tuple[Condition, ...]
    control: str

    def data(self) -> dict[str, Any]:
        return {
            "status": self.status.value,
            "line": self.line,
            "conditions": [condition.data() for condition in self.conditions],
            "control": self.control,
        }


def conditions(results: Results) -> tuple[Condition, ...]:
    """The headline, piece by piece."""
    init, sft, rl = results["init"], results["sft"], results["rl"]
    return (
        _halved(init["ood"], sft["ood"]),
        _risen(
            "rl_raises_id",
            "RL raises success on the trained rule by 10 points or more",
            init["id"],
            rl["id"],
            0.10,
        ),
        _risen("rl_raises_ood", "RL raises success on the unseen rule", init["ood"], rl["ood"], 0.0),
        _risen(
            "rl_above_sft_ood",
            "On the unseen rule RL ends 8 points or more above SFT",
            sft["ood"],
            rl["ood"],
            0.08,
        ),
    )


def verdict(results: Results, *, sound: bool) -> Verdict:
    """`sound`: every planned episode was trained on exactly once."""
    found = conditions(results)
    answers = {condition.answer for condition in found}
    if not sound or _too_few(results):
        status = Status.NOT_ENOUGH
    elif Answer.NO in answers:
        status = Status.NOT_SUPPORTED
    else:
        status = Status.SUPPORTED if answers == {Answer.YES} else Status.NOT_ENOUGH
    return Verdict(status, _line(status, results, found, sound), found, control_line(results))


def control_line(results: Results) -> str:
    """What SFT at RL's learning rate and number of steps did to the unseen rule."""
    init, sft, matched = results["init"]["ood"], results["sft"]["ood"], results["sft_matched"]["ood"]
    above_sft = matched.success - sft.success > _noise(sft, matched)
    said = f"SFT with RL's learning rate and number of steps {_moved(init, matched)} on the unseen rule"
    figures = f"({percent(init.success)} → {percent(matched.success)} %)"
    if not above_sft:
        return f"Control: {said} {figures}."
    return (
        f"Control: {said} {figures}, and stays above SFT ({percent(sft.success)} %): so much of what SFT "
        "forgets here is due to the size and number of its steps, not to imitation as such."
    )


def _moved(before: Point, after: Point) -> str:
    change, noise = after.success - before.success, _noise(before, after)
    if abs(change) <= noise:
        return "does not measurably change success"
    return "gains success" if change > 0 else "loses success"


def _line(status: Status, results: Results, found: tuple[Condition, ...], sound: bool) -> str:
    if not sound:
        return "Not enough data: the runs did not train on every planned episode exactly once."
    if _too_few(results):
        fewest = smallest(point for branch in results.values() for point in branch.values())
        return (
            f"Not enough data: {fewest} episodes per point; {ENOUGH} are needed before anything is claimed."
        )
    ood = {name: percent(branch["ood"].success) for name, branch in results.items()}
    figures = f"unseen rule {ood['init']} % → SFT {ood['sft']} %, RL {ood['rl']} %"
    if status is Status.SUPPORTED:
        return f"Supported at this scale: SFT forgot the unseen rule, RL improved on both rules ({figures})."
    if status is Status.NOT_SUPPORTED:
        return f"Not supported: {_named(found, Answer.NO)} ({figures})."
    return f"Not enough data to tell: open is whether {_named(found, Answer.OPEN)} ({figures})."


def _named(found: tuple[Condition, ...], answer: Answer) -> str:
    texts = [condition.text for condition in found if condition.answer is answer]
    joined = "; ".join(texts)
    return f"“{joined}” does not hold" if answer is Answer.NO else f"“{joined}”"


def _too_few(results: Results) -> bool:
    return smallest(point for branch in results.values() for point in branch.values()) < ENOUGH


def _halved(before: Point, after: Point) -> Condition:
    """after <= before / 2, as an estimate before / 2 - after >= 0."""
    return Condition(
        name="sft_forgets_ood",
        text="SFT loses at least half of its success on the unseen rule",
        estimate=before.success / 2 - after.success,
        threshold=0.0,
        noise=math.hypot(_noise(before) / 2, _noise(after)),
        effect=before.success - after.success,
        effect_stderr=math.hypot(before.stderr, after.stderr),
        effect_noise=_noise(before, after),
    )


def _risen(name: str, text: str, before: Point, after: Point, threshold: float) -> Condition:
    change, noise = after.success - before.success, _noise(before, after)
    stderr = math.hypot(before.stderr, after.stderr)
    return Condition(name, text, change, threshold, noise, change, stderr, noise)


def _noise(*points: Point) -> float:
    """Of their sum or difference."""
    return math.hypot(*(max(SIGMAS * point.stderr, _between_seeds(point)) for point in points))


def _between_seeds(point: Point) -> float:
    if point.spread is None:
        return 0.0
    return student_quantile(0.975, point.seeds - 1) * point.spread / math.sqrt(point.seeds)
