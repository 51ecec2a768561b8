from farfield_kernel.metrics import REGISTRY
from farfield_trainer import run_metrics
from farfield_trainer.reports import Report


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"farfield_trainer_{name}", labels)


def test_an_update_is_measured() -> None:
    figures = {
        "reward_mean": 0.5,
        "staleness_max": 1.0,
        "episodes_trained_total": 12.0,
        "episodes_failed_total": 2.0,
        "version": 3.0,
        "seconds_train": 0.25,
    }
    run_metrics.record("measured", Report(1, 0.0, "update", 4, metrics=figures))
    assert value("update", run="measured") == 4
    assert value("reward_mean", run="measured") == 0.5
    assert value("staleness_max", run="measured") == 1
    assert value("weight_version", run="measured") == 3
    assert value("episodes", run="measured", state="trained") == 12
    assert value("episodes", run="measured", state="failed") == 2
    assert (value("phase_seconds_count", phase="train") or 0) >= 1
    assert value("kl", run="measured") is None


def test_an_evaluation_is_measured_by_suite() -> None:
    run_metrics.record("measured", Report(2, 0.0, "eval", 4, "ood", {"success": 0.125}))
    assert value("eval_success", run="measured", suite="ood") == 0.125
