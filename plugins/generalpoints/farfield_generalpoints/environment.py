"""The environment: deal a solvable hand, take answers until one is right or the budget is spent."""

from collections.abc import Iterator
from random import Random
from typing import Any

from farfield_generalpoints import prompts
from farfield_generalpoints.answers import compose
from farfield_generalpoints.cards import Hand, deal_ranks, hand_of, rank_values
from farfield_generalpoints.demonstrations import STYLES, demonstrate
from farfield_generalpoints.judging import Problem, judge
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_generalpoints.solver import solutions
from farfield_sdk import (
    Demonstration,
    Environment,
    Observation,
    Outcome,
    Start,
    State,
    Variant,
    user,
)

VARIANTS = {
    "id": Variant("id", "J, Q and K count as 10.", {"faces": "ten"}),
    "ood": Variant(
        "ood",
        "J, Q and K count as 11, 12 and 13, and every hand has at least one of them.",
        {"faces": "rank", "deal": "face"},
    ),
    "rank": Variant("other", "J, Q and K count as 11, 12 and 13; any cards.", {"faces": "rank"}),
    "swapped": Variant(
        "other",
        "J, Q and K count as 7, 5 and 3: a rule without a new number.",
        {"faces": {"J": 7, "Q": 5, "K": 3}, "deal": "face"},
    ),
    "target36": Variant("other", "The rule of `id`, another target.", {"target": 36}),
}


class GeneralPoints(Environment[GeneralPointsOptions]):
    """Four cards, one formula, one target: the arithmetic card game of rule generalization."""

    name = "generalpoints"
    version = "1.0.0"
    Options = GeneralPointsOptions
    variants = VARIANTS
    executor = "inline"
    demonstration_styles = STYLES

    def reset(self, seed: int) -> Start:
        self._hand = deal_hand(self.options, seed)
        self._turns = 0
        hand, options = self._hand, self.options
        self._problem = Problem(hand.faces, hand.values, options.face_values, options.target, options.prompt)
        opening = user(prompts.task(self._problem))
        return Start(Observation((opening,)), facts_of(self._problem, hand))

    def step(self, response: str) -> Outcome:
        self._turns += 1
        if not judge(self._problem, response):
            return Outcome(State.TERMINATED, success=True)
        spent = self._turns >= self.options.max_turns
        return Outcome(State.TRUNCATED if spent else State.CONTINUE)

    def oracle(self) -> str:
        problem = self._problem
        formula = solutions(tuple(sorted(problem.values)), problem.target)[0]
        return compose(problem.form, problem.cards, problem.values, formula, problem.target)

    @classmethod
    def demonstrate(cls, options: GeneralPointsOptions, seed: int, style: str) -> Iterator[Demonstration]:
        if style not in STYLES:
            raise ValueError(f"unknown demonstration style {style!r}: choose one of {STYLES}")
        session = cls(options)
        (opening,) = session.reset(seed).observation.messages
        yield demonstrate(opening, session._problem, style, options.max_turns, seed)


def deal_hand(options: GeneralPointsOptions, seed: int) -> Hand:
    """The hand that the seed names: deal until one is solvable and in the split.

    It ends: options for which no hand qualifies do not validate.
    """
    rng, by_rank = Random(seed), rank_values(options.face_values)
    while True:
        ranks = deal_ranks(rng, options.deal)
        if options.deals(tuple(sorted([by_rank[rank] for rank in ranks]))):
            return hand_of(ranks, by_rank, rng)


def facts_of(problem: Problem, hand: Hand) -> dict[str, Any]:
    """What a verifier needs to judge, and what a report shows."""
    return {
        "cards": list(hand.faces),
        "suits": list(hand.suits),
        "values": list(hand.values),
        "faces": list(problem.faces),
        "target": problem.target,
        "prompt": problem.form,
        "image": problem.image,
    }
