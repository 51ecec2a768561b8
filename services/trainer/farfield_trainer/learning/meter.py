"""Figures of an update, gathered pass by pass on the device and read once at the end."""

import torch
from torch import Tensor


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

    def result(self, steps: int) -> dict[str, float]:
        """Means over elements, totals per optimizer step, and maxima."""
        means = {name: value.item() / self._counts[name] for name, value in self._sums.items()}
        totals = {name: value.item() / max(steps, 1) for name, value in self._totals.items()}
        return means | totals | {name: value.item() for name, value in self._maxima.items()}
