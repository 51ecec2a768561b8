"""What the trainer's metrics are told of a run: its states, and the figures of its reports."""

from collections.abc import Mapping

from farfield_trainer.reporting import meters
from farfield_trainer.reporting.reports import NOT_FINITE, Report
from farfield_trainer.run_config import RunConfig

_EPISODES = ("planned", "trained", "failed", "duplicates")
_TOKENS = {"tokens_train": "trained", "tokens_buffer": "played"}
_SECONDS = "seconds_"


def began(run_id: str, config: RunConfig) -> None:
    meters.forget_runs()
    meters.updates_planned.labels(run_id).set(config.updates)
    meters.staleness_bound.labels(run_id).set(config.max_staleness)
    meters.last_report.labels(run_id).set_to_current_time()
    working(run_id, True)


def working(run_id: str, active: bool) -> None:
    """Whether the run works, or is paused or over."""
    meters.active.labels(run_id).set(active)


def ended(run_id: str, state: str) -> None:
    meters.ended.labels(state).inc()
    working(run_id, False)


def record(run_id: str, report: Report) -> None:
    """Takes the figures of one report."""
    meters.last_report.labels(run_id).set(report.time)
    if report.kind == "update":
        _record_update(run_id, report.update, report.metrics)
    if report.kind == "checkpoint" and "seconds" in report.metrics:
        meters.checkpoint_seconds.observe(report.metrics["seconds"])
    if report.kind == "eval" and "success" in report.metrics:
        meters.eval_success.labels(run_id, report.suite).set(report.metrics["success"])


def _record_update(run_id: str, update: int, figures: Mapping[str, float]) -> None:
    meters.update.labels(run_id).set(update)
    one_each = {**meters.figures, "version": meters.weight_version, "compute": meters.compute}
    for name, gauge in one_each.items():
        if name in figures:
            gauge.labels(run_id).set(figures[name])
    for state in _EPISODES:
        if (name := f"episodes_{state}_total") in figures:
            meters.episodes.labels(run_id, state).set(figures[name])
    for name, what in _TOKENS.items():
        if name in figures:
            meters.tokens.labels(run_id, what).set(figures[name])
    meters.nonfinite.labels("figure").inc(figures.get(NOT_FINITE, 0) > 0)
    meters.nonfinite.labels("step").inc(figures.get("nonfinite_steps", 0) > 0)
    for name, value in figures.items():
        if name.startswith(_SECONDS):
            meters.phase_seconds.labels(name.removeprefix(_SECONDS)).observe(value)
