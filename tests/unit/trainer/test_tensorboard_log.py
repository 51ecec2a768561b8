from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from farfield_trainer.reporting.reports import Report
from farfield_trainer.reporting.tensorboard_log import TensorboardLog


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_scalars_by_update_and_suite(tmp_path: Path) -> None:
    log = TensorboardLog(tmp_path, 0)
    log(Report(1, 0.0, "update", 1, metrics={"loss": 2.0}))
    log(Report(2, 0.0, "update", 2, metrics={"loss": 1.0}))
    log(Report(3, 0.0, "eval", 2, "ood", {"success": 0.25}))
    log(Report(4, 0.0, "phase", 2, metrics={"waiting_for_queue": 1.0}))
    log.close()
    assert scalars(tmp_path, "train/loss") == [(1, 2.0), (2, 1.0)]
    assert scalars(tmp_path, "eval/ood/success") == [(2, 0.25)]
