"""In what a measure is told: shares in percent, everything else as it is."""

from dataclasses import dataclass

from farfield_cli.report.points import Point
from farfield_kernel.corrections import MEASURES

_SHARES = {
    *("success", "first_attempt", "step_accuracy", "parseable"),
    *MEASURES,
    *(f"metric/{name}" for name in ("recognition", "reads_rule", "builds_formula", "legal")),
    *("metric/per_step_correct", "metric/observation_correct"),
}
"""The metrics are those of the plugins here that are 1 or 0."""


@dataclass(frozen=True, slots=True)
class Unit:
    scale: float
    digits: int
    sign: str
    """After a value, and after a measure's name."""
    points: str
    """After a difference."""

    def told(self, value: float) -> str:
        return f"{self.scale * value:.{self.digits}f}"

    def shown(self, point: Point) -> str:
        """22.1 ± 1.3"""
        return f"{self.told(point.success)} ± {self.told(point.stderr)}"


PERCENT = Unit(100, 1, " %", " points")
PLAIN = Unit(1, 2, "", "")


def is_share(measure: str) -> bool:
    return measure in _SHARES or measure.removeprefix("attempt_").isdigit()


def unit_of(measure: str) -> Unit:
    return PERCENT if is_share(measure) else PLAIN
