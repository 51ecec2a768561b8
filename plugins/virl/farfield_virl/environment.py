"""The environment: follow the directions of a route point by point, each with a few attempts."""

from collections.abc import Iterator
from random import Random
from typing import Any

from farfield_sdk import (
    Demonstration,
    Environment,
    Message,
    Observation,
    Outcome,
    Start,
    State,
    Variant,
)
from farfield_virl import prompts
from farfield_virl.actions import STOP
from farfield_virl.demonstrations import STYLES, demonstrate, right_answer
from farfield_virl.judging import Target, facts_of, judge, observes_rightly
from farfield_virl.looks import OTHER_CITIES
from farfield_virl.options import VirlOptions
from farfield_virl.rail import Point, lay

VARIANTS = {
    "id": Variant("id", "Text; turns name compass directions."),
    "ood_rule": Variant("ood", "Text; turns name left and right.", {"actions": "relative"}),
    "id_views": Variant("id", "Views; turns name compass directions.", {"modality": "views"}),
    "ood_rule_views": Variant(
        "ood", "Views; turns name left and right.", {"modality": "views", "actions": "relative"}
    ),
    "ood_look": Variant(
        "ood",
        "Views of other cities than the home city.",
        {"modality": "views", "cities": list(OTHER_CITIES)},
    ),
    "ood_city": Variant("other", "Text; streets of other cities.", {"cities": list(OTHER_CITIES)}),
}


class Virl(Environment[VirlOptions]):
    """Walk a route by written directions, in text or in street views: navigation with a verifier at every
    step. A right action moves on and asks afresh; only failed attempts at one point chain."""

    name = "virl"
    version = "1.0.0"
    Options = VirlOptions
    variants = VARIANTS
    modalities = frozenset({"text", "image"})
    executor = "thread"
    demonstration_styles = STYLES

    def __init__(self, options: VirlOptions) -> None:
        super().__init__(options)
        self._world = options.open_world()

    def reset(self, seed: int) -> Start:
        rng = Random(seed)
        self._route = self._world.draw(rng)
        self._rail = lay(self._route, self.options.rail, rng, self._world.snap)
        self._turn = self._now = self._attempts = 0
        return Start(Observation((self._prompt(0),)), self._facts(self._target))

    def step(self, response: str) -> Outcome:
        target = self._target
        right = judge(target, response, self.options.prompt, self.options.actions) is None
        seen = observes_rightly(target, response, self.options.prompt)
        self._turn, self._attempts = self._turn + 1, self._attempts + 1
        outcome = self._advance(target) if right else self._fail(target)
        points = len(self._rail.points)
        walked = points if outcome.success else self._now
        metrics = {
            "per_step_correct": float(right),
            "observation_correct": float(seen),
            "progress": walked / points,
        }
        return Outcome(outcome.state, outcome.success, outcome.observation, outcome.facts, metrics)

    def oracle(self) -> str:
        return right_answer(self.options.prompt, self._rail, self._point)

    @classmethod
    def demonstrate(cls, options: VirlOptions, seed: int, style: str) -> Iterator[Demonstration]:
        if style not in STYLES:
            raise ValueError(f"unknown demonstration style {style!r}: choose one of {STYLES}")
        session = cls(options)
        session.reset(seed)
        rail, rng = session._rail, Random(f"demonstration {seed}")
        asked = (session._prompt(now) for now in range(len(rail.points)))
        failed = min(1, options.budget - 1) if style == "revision" else 0
        yield from demonstrate(options.prompt, options.actions, rail, asked, failed, rng)

    @property
    def _point(self) -> Point:
        return self._rail.points[self._now]

    @property
    def _target(self) -> Target:
        return Target.at(self._point, self._turn)

    def _advance(self, target: Target) -> Outcome:
        if target.action == STOP:
            return Outcome(State.TERMINATED, success=True)
        self._now, self._attempts = self._now + 1, 0
        prompt = Observation((self._prompt(self._now),), fresh_context=True)
        return Outcome(State.CONTINUE, observation=prompt, facts=self._facts(target, self._target))

    def _fail(self, target: Target) -> Outcome:
        if self._attempts >= self.options.budget:
            return Outcome(State.TRUNCATED)
        return Outcome(State.CONTINUE, facts=self._facts(target, self._target))

    def _prompt(self, now: int) -> Message:
        options, picture = self.options, None
        if options.modality == "views":
            picture = self._world.picture(self._route, self._rail.points[now], options.view_size)
        return prompts.task(options.prompt, options.actions, self._rail, now, picture)

    def _facts(self, *targets: Target) -> dict[str, Any]:
        """What a verifier needs to judge, and what a report shows."""
        point = self._point
        return {
            **facts_of(self.options.prompt, self.options.actions, targets),
            "route": self._route.name,
            "point": self._now,
            "points": len(self._rail.points),
            "geocode": list(point.geocode),
            "heading": point.heading,
        }
