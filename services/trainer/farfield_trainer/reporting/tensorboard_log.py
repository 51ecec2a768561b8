"""Scalars for TensorBoard: `train/<metric>`, `eval/<suite>/<metric>`, by update."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from farfield_trainer.reporting.reports import Report


class TensorboardLog:
    """Of a run that goes on after `update`; what was written for later ones is hidden."""

    def __init__(self, folder: Path, update: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=update + 1, flush_secs=10)

    def __call__(self, report: Report) -> None:
        if report.kind == "phase":
            return
        prefix = {"update": "train", "eval": f"eval/{report.suite}"}.get(report.kind, report.kind)
        for name, value in report.metrics.items():
            self._writer.add_scalar(f"{prefix}/{name}", value, report.update)

    def close(self) -> None:
        self._writer.close()
