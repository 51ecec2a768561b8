"""The environment: deal a solvable hand, take answers until one is right or the budget is spent."""

from collections.abc import Iterator
from random import Random
from typing import Any

from farfield_generalpoints import prompts
from farfield_generalpoints.answers import compose
from farfield_generalpoints.cards import SUITS_BY_NAME, Hand, deal_ranks, hand_of, rank_values
from farfield_generalpoints.colours import inks
from farfield_generalpoints.demonstrations import STYLES, demonstrate
from farfield_generalpoints.judging import Problem, judge, recognised
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_generalpoints.solver import solutions
from farfield_generalpoints.table import picture
from farfield_sdk import (
    Demonstration,
    Environment,
    Image,
    Message,
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
    "vl-id": Variant(
        "id", "Cards as a picture, in black; J, Q and K count as 10.", {"modality": "image", "faces": "ten"}
    ),
    "vl-ood": Variant(
        "ood",
        "Cards as a picture, in black; J, Q and K count as 11, 12 and 13, and every hand has one.",
        {"modality": "image", "faces": "rank", "deal": "face"},
    ),
    "vl-red": Variant(
        "ood",
        "Cards as a picture, in red; the rule of `vl-id`.",
        {"modality": "image", "faces": "ten", "colours": "red"},
    ),
}


class GeneralPoints(Environment[GeneralPointsOptions]):
    """Four cards, one formula, one target: the arithmetic card game of rule generalization."""

    name = "generalpoints"
    version = "1.0.0"
    Options = GeneralPointsOptions
    variants = VARIANTS
    modalities = frozenset({"text", "image"})
    executor = "inline"
    demonstration_styles = STYLES

    def reset(self, seed: int) -> Start:
        self._hand = deal_hand(self.options, seed)
        self._turns = 0
        hand, options = self._hand, self.options
        image = options.modality == "image"
        self._problem = Problem(
            hand.faces, hand.values, options.face_values, options.target, options.prompt, image
        )
        return Start(Observation((self._opening(),)), facts_of(self._problem, hand))

    def step(self, response: str) -> Outcome:
        self._turns += 1
        faults = judge(self._problem, response)
        metrics = {"recognition": float(recognised(faults))} if self._problem.image else {}
        if not faults:
            return Outcome(State.TERMINATED, success=True, metrics=metrics)
        spent = self._turns >= self.options.max_turns
        return Outcome(State.TRUNCATED if spent else State.CONTINUE, metrics=metrics)

    def oracle(self) -> str:
        problem = self._problem
        formula = solutions(tuple(sorted(problem.values)), problem.target)[0]
        return compose(problem.form, problem.cards, problem.values, formula, problem.target, problem.image)

    @classmethod
    def demonstrate(cls, options: GeneralPointsOptions, seed: int, style: str) -> Iterator[Demonstration]:
        if style not in STYLES:
            raise ValueError(f"unknown demonstration style {style!r}: choose one of {STYLES}")
        session = cls(options)
        (opening,) = session.reset(seed).observation.messages
        yield demonstrate(opening, session._problem, style, options.max_turns, seed)

    def _opening(self) -> Message:
        """The task; before it, where the options say so, a picture of the cards."""
        text, hand, options = prompts.task(self._problem), self._hand, self.options
        if not self._problem.image:
            return user(text)
        colours = inks(options.colours, hand.suits)
        return user(Image(picture(hand.faces, hand.suits, colours, options.image_height)), text)


def deal_hand(options: GeneralPointsOptions, seed: int) -> Hand:
    """The hand that the seed names: deal until one is solvable and in the split.

    It ends: options for which no hand qualifies do not validate.
    """
    rng, by_rank = Random(seed), rank_values(options.face_values)
    while True:
        ranks = deal_ranks(rng, options.deal)
        if options.deals(tuple(sorted([by_rank[rank] for rank in ranks]))):
            return hand_of(ranks, by_rank, rng, SUITS_BY_NAME[options.suits])


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
