"""How far a set of runs is: what each has reported, and how long the rest will take."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.report.points import Point, binomial, shown
from farfield_cli.runs.run_folder import RunFolder
from farfield_cli.runs.trainer import is_over, state_of

_SUPERVISED = 0.15
"""An SFT sample in units of a played episode, roughly."""
_LEARNT = 0.5
"""Training on a played episode, likewise."""


class Job(Protocol):
    """A run that is to be played."""

    @property
    def run_id(self) -> str: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def needs(self) -> str:
        """The id of the run that it starts from; empty for none."""


J = TypeVar("J", bound=Job)


def work_of(config: Mapping[str, Any]) -> float:
    """A run's size, in played episodes."""
    played = sum(suite["episodes"] for suite in config["evaluation"]["suites"].values())
    return float(config["updates"] * _update_work(config) + len(evaluated_versions(config)) * played)


def evaluated_versions(config: Mapping[str, Any]) -> set[int]:
    """Which versions a run evaluates."""
    chosen, updates = config.get("evaluation", {}), config["updates"]
    every, versions = chosen.get("every", 0), {0} if chosen.get("at_start", True) else set()
    versions |= set(range(every, updates + 1, every)) if every else set()
    versions |= {updates} if chosen.get("at_end", True) else set()
    return versions


def _update_work(config: Mapping[str, Any]) -> float:
    if config["algorithm"]["kind"] == "sft":
        return float(config["demonstrations"]["batch_size"]) * _SUPERVISED if config["updates"] else 0.0
    batch = config.get("batch", {})
    return float(batch.get("groups", 0) * batch.get("group_size", 1)) * (1 + _LEARNT)


@dataclass(slots=True)
class JobProgress(Generic[J]):
    """One run as far as it is known here."""

    job: J
    state: str = "waits"
    update: int = 0
    evaluated: dict[tuple[str, int], int] = field(default_factory=dict)
    """Episodes by suite and version, of those that are finished."""
    latest: dict[str, Point] = field(default_factory=dict)
    """The last point of each suite."""
    began: float = 0.0
    ended: float = 0.0

    @property
    def over(self) -> bool:
        return self.ended > 0

    @property
    def work(self) -> float:
        """Its size, in played episodes."""
        return work_of(self.job.config)

    @property
    def done(self) -> float:
        return self.work if self.over else self._done_so_far

    @property
    def _done_so_far(self) -> float:
        return self.update * _update_work(self.job.config) + sum(self.evaluated.values())

    def found(self, folder: RunFolder) -> None:
        """It was finished before; it says nothing about the pace."""
        self.state, self.ended, self.update = "succeeded", time.monotonic(), self.job.config["updates"]
        self.latest = {suite: folder.curve(suite)[-1].point for suite in folder.suites if folder.curve(suite)}

    def begin(self) -> None:
        self.state, self.began = "starts", time.monotonic()

    def fail(self) -> None:
        self.state, self.ended = "failed", time.monotonic()

    def observe(self, answer: pb.WatchRunResponse) -> str:
        """Takes what the trainer reported; returns what is new for a person, or nothing."""
        self.state = state_of(answer.run)
        if answer.HasField("report"):
            self.update = max(self.update, answer.report.update)
            return self._evaluated(answer.report) if answer.report.kind == "eval" else ""
        if not is_over(answer.run):
            return ""
        self.ended, self.update = time.monotonic(), answer.run.update
        return self.state

    def _evaluated(self, report: pb.Report) -> str:
        point = binomial(report.metrics["success"], int(report.metrics["episodes"]))
        self.latest[report.suite] = point
        self.evaluated[report.suite, report.update] = point.n
        return f"update {report.update}/{self.job.config['updates']}, {report.suite} {shown(point)} %"


class Progress(Generic[J]):
    """All of the runs."""

    def __init__(self, jobs: Sequence[J], lane_of: Callable[[J], str] | None = None, lanes: int = 1) -> None:
        """`lane_of`: the lane that each has; absent, so many `lanes` share them as they get free."""
        self.jobs = [JobProgress(job) for job in jobs]
        self.began = time.monotonic()
        self._lane_of, self._lanes = lane_of, lanes

    def of(self, job: J) -> JobProgress[J]:
        return next(one for one in self.jobs if one.job == job)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def remaining_seconds(self) -> float | None:
        """Until the last lane is through, at the pace so far; None before there is one."""
        if self._lane_of is None:
            alone = self._remaining_of(self.jobs)
            return None if alone is None else alone / self._lanes
        by_lane: dict[str, list[JobProgress[J]]] = {}
        for one in self.jobs:
            by_lane.setdefault(self._lane_of(one.job), []).append(one)
        estimates = [self._remaining_of(lane) for lane in by_lane.values()]
        return None if None in estimates else max(one for one in estimates if one is not None)

    def _remaining_of(self, lane: Sequence[JobProgress[J]]) -> float | None:
        left = sum(one.work - one.done for one in lane)
        begun = [one for one in lane if one.began]
        done = sum(one.done for one in begun)
        if not left:
            return 0.0
        spent = sum((one.ended or time.monotonic()) - one.began for one in begun)
        return spent * left / done if done else None
