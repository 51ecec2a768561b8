"""Figures of an update, gathered pass by pass on the device and read once at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class Readings:
    """A meter's figures as numbers."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)

    def result(self, steps: int) -> dict[str, float]:
        """Means over elements, totals per optimizer step, and maxima."""
        means = {name: value / self.counts[name] for name, value in self.sums.items()}
        totals = {name: value / max(steps, 1) for name, value in self.totals.items()}
        return means | totals | self.maxima


def merged(parts: Sequence[Readings]) -> Readings:
    """The readings of meters that saw a part each."""
    whole = Readings()
    for part in parts:
        for name, value in part.sums.items():
            whole.sums[name] = whole.sums.get(name, 0.0) + value
            whole.counts[name] = whole.counts.get(name, 0) + part.counts[name]
        for name, value in part.totals.items():
            whole.totals[name] = whole.totals.get(name, 0.0) + value
        for name, value in part.maxima.items():
            whole.maxima[name] = max(whole.maxima.get(name, value), value)
    return whole


class Meter:
    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._totals: dict[str, Tensor] = {}
        self._maxima: dict[str, Tensor] = {}

    def mean(self, name: str, values: Tensor) -> None:
        """Takes `values` into the mean of that name; every element counts the same."""
        if values.numel():
            total = values.detach().double().sum()
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._counts[name] = self._counts.get(name, 0) + values.numel()

    def total(self, name: str, value: Tensor) -> None:
        """Adds a part of a figure that whole optimizer steps have one of, such as the loss."""
        value = value.detach().double()
        self._totals[name] = self._totals[name] + value if name in self._totals else value

    def maximum(self, name: str, values: Tensor) -> None:
        if values.numel():
            top = values.detach().max()
            self._maxima[name] = torch.maximum(self._maxima[name], top) if name in self._maxima else top

    def read(self) -> Readings:
        """Reads the device."""
        sums, totals, maxima = (
            {name: value.item() for name, value in kind.items()}
            for kind in (self._sums, self._totals, self._maxima)
        )
        return Readings(sums, dict(self._counts), totals, maxima)
