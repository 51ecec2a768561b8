"""Two evaluations of the same episodes, compared episode by episode.

Pairing takes out what the episodes have in common (an easy hand is easy for both), so the error of the mean
difference is that of the differences: sd / sqrt(n).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from farfield_cli.evaluation.outcomes import Outcome
from farfield_cli.evaluation.result import Result, VariantResult
from farfield_cli.evaluation.suites import Shift
from farfield_cli.evaluation.wording import TITLES, Grid, headed, shown
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.estimates import Estimate, mean

Measures = Mapping[str, Callable[[Outcome], float]]
_COMPARED: Measures = {
    "success": lambda one: float(one.success),
    "turns": lambda one: float(one.turns),
    "reward": lambda one: one.reward,
}


@dataclass(frozen=True, slots=True)
class Pairing:
    """Second minus first, of the episodes that both graded; of rewards only where both were rewarded alike.
    `gained` and `lost`: solved by one alone."""

    variant: str
    shift: Shift
    differences: dict[str, Estimate]
    gained: int
    lost: int


def paired(first: Result, second: Result) -> list[Pairing]:
    """By variant; InvalidArgument when the two did not play the same episodes."""
    shared = [name for name in first.variants if name in second.variants]
    if not shared:
        raise InvalidArgument(f"nothing to compare: {first.suite} and {second.suite} share no variant")
    _check_same_episodes(first, second, shared)
    measures = dict(_COMPARED)
    if not rewarded_alike(first, second):
        del measures["reward"]
    return [_pairing(name, first.variants[name], second.variants[name], measures) for name in shared]


def rewarded_alike(first: Result, second: Result) -> bool:
    """By one plan and one version of the verifier."""
    return all(first.about[what] == second.about[what] for what in ("reward", "verifier"))


def _check_same_episodes(first: Result, second: Result, shared: list[str]) -> None:
    for what, one, other in _deciding(first, second, shared):
        if one != other:
            raise InvalidArgument(
                f"the two did not play the same episodes: {what} is {one} in the first and {other} in the "
                "second. Evaluate both under the same settings"
            )


def _deciding(first: Result, second: Result, shared: list[str]) -> Iterator[tuple[str, object, object]]:
    """What an episode's start is a function of."""
    mine, theirs = first.about["environment"], second.about["environment"]
    yield "the environment", mine["name"], theirs["name"]
    yield "the environment's version", mine["version"], theirs["version"]
    yield "the seed", first.about["settings"]["seed"], second.about["settings"]["seed"]
    for name in shared:
        mine, theirs = first.about["options"][name], second.about["options"][name]
        for option in sorted((mine.keys() | theirs.keys()) - {"prompt"}):
            yield f"option {option} of {name}", mine.get(option), theirs.get(option)


def _pairing(variant: str, first: VariantResult, second: VariantResult, measures: Measures) -> Pairing:
    before = {one.index: one for one in first.outcomes if not one.failure}
    after = {one.index: one for one in second.outcomes if not one.failure}
    both = [(before[index], after[index]) for index in sorted(before.keys() & after.keys())]
    return Pairing(
        variant,
        first.shift,
        {name: mean([of(new) - of(old) for old, new in both]) for name, of in measures.items()},
        gained=sum(new.success and not old.success for old, new in both),
        lost=sum(old.success and not new.success for old, new in both),
    )


def grid(pairings: list[Pairing]) -> Grid:
    rows = [
        (TITLES[name], *(shown(name, one.differences[name], signed=True) for one in pairings))
        for name in pairings[0].differences
    ]
    solved = ("solved by the second / the first alone", *(f"{one.gained} / {one.lost}" for one in pairings))
    pairs = ("pairs", *(f"{one.differences['success'].n:,}" for one in pairings))
    heading = ("second − first", *(headed(one.variant, one.shift) for one in pairings))
    return Grid(heading, (*rows, solved, pairs))
