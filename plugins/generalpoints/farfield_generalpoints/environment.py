"""The environment: deal a solvable hand, take answers until one is right or the budget is spent."""

from collections.abc import Iterator
from typing import Any

from farfield_generalpoints import prompts
from farfield_generalpoints.answers import compose, parse
from farfield_generalpoints.cards import Hand
from farfield_generalpoints.colours import inks
from farfield_generalpoints.dealing import deal_hand
from farfield_generalpoints.demonstrations import STYLES, demonstrate
from farfield_generalpoints.judging import Problem, judge_answer, measures
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_generalpoints.solver import solutions
from farfield_generalpoints.table import picture
from farfield_generalpoints.variants import VARIANTS
from farfield_sdk import (
    Demonstration,
    Environment,
    Image,
    Message,
    Observation,
    Outcome,
    Start,
    after_attempt,
    user,
)


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
        options = self.options
        hand, rule = deal_hand(options, seed)
        image = options.modality == "image"
        self._hand, self._turns = hand, 0
        self._problem = Problem(
            hand.faces, hand.values, rule, options.target, options.prompt, image, options.revision
        )
        return Start(Observation((self._opening(),)), facts_of(self._problem, hand))

    def step(self, response: str) -> Outcome:
        self._turns += 1
        problem = self._problem
        answer = parse(response, problem.form, problem.image)
        faults = judge_answer(problem, answer)
        state, success = after_attempt(problem.revision, not faults, self._turns, self.options.max_turns)
        return Outcome(state, success, metrics=measures(problem, answer, faults))

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
        "revision": problem.revision,
    }
