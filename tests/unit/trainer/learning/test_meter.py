import torch

from farfield_trainer.learning.meter import Meter


def test_means_totals_and_maxima() -> None:
    meter = Meter()
    for part in ([1.0, 2.0], [6.0], []):
        meter.mean("mean", torch.tensor(part))
        meter.maximum("top", torch.tensor(part))
        meter.total("loss", torch.tensor(part).sum())
    assert meter.read().result(steps=2) == {"mean": 3.0, "loss": 4.5, "top": 6.0}
