"""How far a run is: what a checkpoint holds besides the learner."""

from dataclasses import dataclass, field
from typing import Any

from farfield_trainer.ledger import Ledger
from farfield_trainer.reporting.phases import Phases


@dataclass(slots=True)
class Progress:
    """`evaluating` holds the versions whose evaluation is not finished, with the compute spent on each."""

    update: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    phases: Phases = field(default_factory=Phases)
    tokens_buffer: int = 0
    demonstrations: int = 0
    evaluating: dict[int, dict[str, float]] = field(default_factory=dict)

    def state(self, reports: int) -> dict[str, Any]:
        """As JSON. `reports`: how many lines of the reports belong to it."""
        return {
            "update": self.update,
            "ledger": self.ledger.state(),
            "seconds": dict(self.phases.totals),
            "tokens_buffer": self.tokens_buffer,
            "demonstrations": self.demonstrations,
            "evaluating": {str(version): spent for version, spent in self.evaluating.items()},
            "reports": reports,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Progress":
        return cls(
            update=state["update"],
            ledger=Ledger(state["ledger"]),
            phases=Phases(state["seconds"]),
            tokens_buffer=state["tokens_buffer"],
            demonstrations=state["demonstrations"],
            evaluating={int(version): spent for version, spent in state["evaluating"].items()},
        )
