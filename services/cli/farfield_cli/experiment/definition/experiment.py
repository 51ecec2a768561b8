"""An experiment at one scale: what is played, measured and claimed. `files` reads it."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from farfield_cli.experiment.definition.spec import Arm, Claim, Comparison, Measure, Paper, Suite
from farfield_kernel.errors import InvalidArgument


@dataclass(frozen=True)
class Experiment:
    name: str
    scale: str
    title: str
    question: str
    paper: Paper | None
    suites: Mapping[str, Suite]
    arms: Mapping[str, Arm]
    claims: tuple[Claim, ...]
    """Those whose arms and suites are there at this scale."""
    seeds: tuple[int, ...]

    def with_seeds(self, count: int) -> "Experiment":
        """So many of the seeds; further ones follow the largest."""
        more = range(max(self.seeds) + 1, max(self.seeds) + 1 + count)
        return replace(self, seeds=(*self.seeds, *more)[:count])

    def with_arms(self, names: Iterable[str]) -> "Experiment":
        """These arms and those that they start from, and the claims about them. InvalidArgument for a name
        that is none."""
        wanted, pending = set[str](), list(names)
        while pending:
            name = pending.pop()
            check_known(name, self.arms, "an arm")
            wanted.add(name)
            origin = self.arms[name].origin
            pending += [origin.arm] if origin else []
        arms = {name: self._keeping(name) for name in self.arms if name in wanted}
        return replace(self, arms=arms, claims=about(self.claims, arms, self.suites))

    def kept_versions(self, arm: str) -> list[int]:
        """Versions of an arm's weights that other arms start from."""
        starts = [self.start_of(name) for name, one in self.arms.items() if one.origin]
        needed = {start[1] for start in starts if start and start[0] == arm}
        return sorted(needed.union(self.arms[arm].run.get("keep_versions", ())))

    def _keeping(self, arm: str) -> Arm:
        """The arm with what the others will need of it, also when they are not played this time."""
        one, kept = self.arms[arm], self.kept_versions(arm)
        return one.model_copy(update={"run": one.run | {"keep_versions": kept}}) if kept else one

    def suites_of(self, arm: str) -> tuple[str, ...]:
        """What an arm is measured on."""
        return self.arms[arm].suites or tuple(self.suites)

    def start_of(self, arm: str) -> tuple[str, int] | None:
        """Where the weights that an arm starts from are measured: an arm, and a version of it. None where
        they are not."""
        one = self.arms[arm]
        if one.origin:
            last = self.arms[one.origin.arm].updates
            return one.origin.arm, last if one.origin.update is None else one.origin.update
        if one.measured_at_start:
            return arm, 0
        for name, other in self.arms.items():
            if other.measured_at_start and other.origin is None and other.base == one.base:
                return name, 0
        return None


def run_id(arm: str, seed: int) -> str:
    return f"{arm}-s{seed}"


def measures_of(claim: Claim) -> list[Measure]:
    """Every figure that a claim and its control need."""
    return [one for pair in claim.comparisons for one in _sides(pair)]


def _sides(pair: Comparison) -> tuple[Measure, Measure]:
    return pair.compare, pair.against


def about(claims: Iterable[Claim], arms: Mapping[str, Any], suites: Mapping[str, Any]) -> tuple[Claim, ...]:
    """The claims that can be told from these arms and suites."""
    return tuple(
        claim
        for claim in claims
        if all(one.arm in arms and one.suite in suites for one in measures_of(claim))
    )


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """InvalidArgument names the nearest that there is."""
    names = list(known)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(names)}"
    raise InvalidArgument(f"'{name}' is not {what} of the experiment; {hint}")
