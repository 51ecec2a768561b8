"""How far a demo is: what each run has reported, and how long the rest will take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.points import Point, binomial, shown
from farfield_cli.recipe import Job, evaluated_versions
from farfield_cli.trainer import is_over, state_of

_SUPERVISED = 0.15
"""An SFT sample in units of a played episode, roughly."""
_LEARNT = 0.5
"""Training on a played episode, likewise."""


@dataclass(slots=True)
class JobProgress:
    """One run as far as it is known here."""

    job: Job
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
        config = self.job.config
        played = sum(suite["episodes"] for suite in config["evaluation"]["suites"].values())
        return config["updates"] * self._update_work + evaluated_versions(config) * played

    @property
    def done(self) -> float:
        return self.work if self.over else self._done_so_far

    @property
    def _done_so_far(self) -> float:
        return self.update * self._update_work + sum(self.evaluated.values())

    @property
    def _update_work(self) -> float:
        config = self.job.config
        if config["algorithm"]["kind"] == "sft":
            return float(config["demonstrations"]["batch_size"]) * _SUPERVISED
        batch = config.get("batch", {})
        return float(batch.get("groups", 0) * batch.get("group_size", 1)) * (1 + _LEARNT)

    def begin(self) -> None:
        self.state, self.began = "starts", time.monotonic()

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


class Progress:
    """All runs of the demo."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = [JobProgress(job) for job in jobs]
        self.began = time.monotonic()

    def of(self, job: Job) -> JobProgress:
        return next(one for one in self.jobs if one.job == job)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def remaining_seconds(self) -> float | None:
        """Until the slower lane is through, at the pace so far; None before there is one."""
        lanes = {one.job.lane for one in self.jobs}
        estimates = [self._remaining_of([one for one in self.jobs if one.job.lane == lane]) for lane in lanes]
        return None if None in estimates else max(one for one in estimates if one is not None)

    def _remaining_of(self, lane: list[JobProgress]) -> float | None:
        left = sum(one.work - one.done for one in lane)
        begun = [one for one in lane if one.began]
        done = sum(one.done for one in begun)
        if not left:
            return 0.0
        spent = sum((one.ended or time.monotonic()) - one.began for one in begun)
        return spent * left / done if done else None
