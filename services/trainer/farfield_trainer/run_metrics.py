"""Prometheus metrics of the trainer, fed by the run's reports."""

from farfield_kernel import metrics
from farfield_trainer.reports import Report

_FIGURES = {
    "reward_mean": "Mean reward of the last update's turns.",
    "success_rate": "Success of the last update's episodes.",
    "kl": "Divergence from the reference in the last update.",
    "clip_fraction": "Share of clipped terms in the last update.",
    "staleness_mean": "Mean age in versions of the tokens of the last update.",
    "staleness_max": "Largest age in versions of the tokens of the last update.",
    "loss": "Loss of the last update.",
    "grad_norm": "Gradient norm of the last update.",
}
_EPISODES = ("planned", "trained", "failed", "duplicates")
_SECONDS = "seconds_"


def record(run_id: str, report: Report) -> None:
    """Takes the figures of one report."""
    if report.kind == "update":
        _record_update(run_id, report)
    if report.kind == "eval" and "success" in report.metrics:
        gauge = metrics.gauge("trainer_eval_success", "Success on a suite.", ["run", "suite"])
        gauge.labels(run_id, report.suite).set(report.metrics["success"])


def _record_update(run_id: str, report: Report) -> None:
    metrics.gauge("trainer_update", "Updates done.", ["run"]).labels(run_id).set(report.update)
    for name, text in _FIGURES.items():
        if name in report.metrics:
            metrics.gauge(f"trainer_{name}", text, ["run"]).labels(run_id).set(report.metrics[name])
    if "version" in report.metrics:
        version = metrics.gauge("trainer_weight_version", "Version last published.", ["run"])
        version.labels(run_id).set(report.metrics["version"])
    episodes = metrics.gauge(
        "trainer_episodes", "Training episodes so far, by what became of them.", ["run", "state"]
    )
    for state in _EPISODES:
        if f"episodes_{state}_total" in report.metrics:
            episodes.labels(run_id, state).set(report.metrics[f"episodes_{state}_total"])
    seconds = metrics.histogram("trainer_phase_seconds", "Seconds of an update by phase.", ["phase"])
    for name, value in report.metrics.items():
        if name.startswith(_SECONDS):
            seconds.labels(name.removeprefix(_SECONDS)).observe(value)
