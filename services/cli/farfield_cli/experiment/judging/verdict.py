"""What became of an experiment's claims: each stands as its difference and its control let it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from farfield_cli.demo.verdict import Status
from farfield_cli.experiment.definition.spec import Claim, Comparison, Control
from farfield_cli.experiment.judging.claims import Answer, answer
from farfield_cli.experiment.judging.played import Played

_FEW = 2
"""Claims that the verdict line still names."""


class Standing(StrEnum):
    """Of a claim; the first that any claim has is that of the experiment."""

    NOT_SUPPORTED = "not supported"
    NOT_ENOUGH = "not enough data"
    CONTROL_FAILS = "supported, control fails"
    CONTROL_OPEN = "supported, control open"
    SUPPORTED = "supported"
    """And its control holds, or it says why it has none."""


_OF_CONTROL = {Status.NOT_SUPPORTED: Standing.CONTROL_FAILS, Status.NOT_ENOUGH: Standing.CONTROL_OPEN}


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what was found. `control`: None where the claim has none."""

    claim: Claim
    answer: Answer
    control: Answer | None

    @property
    def standing(self) -> Standing:
        return standing(self.answer.status, self.control.status if self.control else None)

    def data(self) -> dict[str, Any]:
        claim = self.claim
        control = {} if self.control is None else {"control": _control(claim.control) | self.control.data()}
        return {
            "name": claim.name,
            "text": claim.text,
            "paper": claim.paper,
            **_compared(claim),
            **self.answer.data(),
            "status": self.standing.value,
            "controlled": self.control is not None,
            "no_control": claim.no_control,
            **control,
        }


def standing(claim: str, control: str | None) -> Standing:
    """Of a claim whose difference is answered so, and its control's; None where it has none."""
    held = Standing(claim)
    return _OF_CONTROL.get(Status(control), held) if control and held is Standing.SUPPORTED else held


def judged(played: Played) -> list[Judged]:
    return [
        Judged(claim, answer(claim, played), answer(claim.control, played) if claim.control else None)
        for claim in played.experiment.claims
    ]


def of_all(found: Sequence[Judged]) -> Standing:
    each = {one.standing for one in found}
    return next((one for one in Standing if one in each), Standing.NOT_ENOUGH)


def line(found: Sequence[Judged]) -> str:
    """The verdict in one sentence."""
    if not found:
        return "Nothing is claimed: the experiment measures."
    counted = [_counted(found, one) for one in reversed(Standing)]
    total = f"{len(found)} claim{'s' if len(found) > 1 else ''}"
    return f"Of {total}: {'; '.join(part for part in counted if part)}."


def _counted(found: Sequence[Judged], which: Standing) -> str:
    """With the claims themselves where they are few and not as one would have them."""
    texts = [f"“{one.claim.text}”" for one in found if one.standing is which]
    if not texts:
        return ""
    told = which is not Standing.SUPPORTED and len(texts) <= _FEW
    return f"{len(texts)} {which}" + (f" ({', '.join(texts)})" if told else "")


def _compared(comparison: Comparison | None) -> dict[str, Any]:
    return comparison.model_dump(include={"compare", "against", "at_least", "at"}) if comparison else {}


def _control(control: Control | None) -> dict[str, Any]:
    return {"text": control.text, **_compared(control)} if control else {}
