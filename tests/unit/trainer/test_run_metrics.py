import pytest
from sample_runs import run_config

from farfield_kernel.metrics import REGISTRY
from farfield_trainer.reporting import meters, run_metrics
from farfield_trainer.reporting.reports import NOT_FINITE, Report


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"farfield_trainer_{name}", labels)


def test_an_update_is_measured() -> None:
    figures = {
        "reward_mean": 0.5,
        "staleness_max": 1.0,
        "mismatch_k3": 0.25,
        "episodes_trained_total": 12.0,
        "episodes_failed_total": 2.0,
        "tokens_train": 640.0,
        "version": 3.0,
        "seconds_train": 0.25,
    }
    run_metrics.record("measured", Report(1, 7.0, "update", 4, metrics=figures))
    assert value("update", run="measured") == 4
    assert value("reward_mean", run="measured") == 0.5
    assert value("staleness_max", run="measured") == 1
    assert value("mismatch_k3", run="measured") == 0.25
    assert value("weight_version", run="measured") == 3
    assert value("episodes", run="measured", state="trained") == 12
    assert value("episodes", run="measured", state="failed") == 2
    assert value("tokens", run="measured", what="trained") == 640
    assert value("last_report_timestamp_seconds", run="measured") == 7
    assert (value("phase_seconds_count", phase="train") or 0) >= 1
    assert value("kl", run="measured") is None


def test_an_evaluation_is_measured_by_suite() -> None:
    run_metrics.record("measured", Report(2, 0.0, "eval", 4, "ood", {"success": 0.125}))
    assert value("eval_success", run="measured", suite="ood") == 0.125


@pytest.mark.parametrize(("figure", "what"), [(NOT_FINITE, "figure"), ("nonfinite_steps", "step")])
def test_what_is_not_finite_is_counted(figure: str, what: str) -> None:
    before = value("nonfinite_total", what=what)
    assert before is not None
    run_metrics.record("measured", Report(3, 0.0, "update", 5, metrics={figure: 0.5}))
    run_metrics.record("measured", Report(4, 0.0, "update", 6, metrics={figure: 0.0}))
    assert value("nonfinite_total", what=what) == before + 1


def test_a_run_that_begins_takes_the_place_of_the_last() -> None:
    run_metrics.record("last", Report(1, 0.0, "update", 4, metrics={"reward_mean": 0.5}))
    run_metrics.began("next", run_config(updates=7, max_staleness=2))
    assert value("reward_mean", run="last") is None
    assert value("updates_planned", run="next") == 7
    assert value("staleness_bound", run="next") == 2
    assert value("run_active", run="next") == 1


def test_a_run_that_ends_is_counted_and_stays_to_be_seen() -> None:
    before = value("runs_ended_total", state="failed") or 0
    run_metrics.began("over", run_config())
    run_metrics.record("over", Report(1, 0.0, "update", 4, metrics={"reward_mean": 0.5}))
    run_metrics.ended("over", "failed")
    assert value("runs_ended_total", state="failed") == before + 1
    assert value("run_active", run="over") == 0
    assert value("reward_mean", run="over") == 0.5


def test_every_figure_has_a_gauge_by_run() -> None:
    assert all(gauge._labelnames == ("run",) for gauge in meters.figures.values())
