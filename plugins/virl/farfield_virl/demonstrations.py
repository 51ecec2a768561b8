"""Expert steps for supervised fine-tuning: `optimal` answers, and `revision` with failed attempts before."""

from collections.abc import Iterator
from random import Random
from typing import Literal, get_args

from farfield_sdk import Demonstration, Message, Sample, assistant, user
from farfield_virl import prompts
from farfield_virl.actions import ACTIONS, ActionSpace
from farfield_virl.answers import PromptForm, compose
from farfield_virl.judging import Target, judge
from farfield_virl.rail import Point, Rail

Style = Literal["optimal", "revision"]
STYLES: tuple[str, ...] = get_args(Style)


def right_answer(form: PromptForm, rail: Rail, point: Point) -> str:
    """What an expert answers at a point."""
    seen, sentence = prompts.observation(form, point), prompts.instruction(form, rail, point)
    return compose(form, seen, sentence, point.action)


def demonstrate(
    form: PromptForm, actions: ActionSpace, rail: Rail, asked: Iterator[Message], failed: int, rng: Random
) -> Iterator[Demonstration]:
    """One sample for each point, its prompt from `asked`, with so many failed attempts before the right
    one. Those are context: their loss weight is zero."""
    for point, prompt in zip(rail.points, asked, strict=True):
        messages = [prompt]
        for _ in range(failed):
            messages += _failure(form, actions, rail, point, rng)
        messages.append(assistant(right_answer(form, rail, point)))
        yield Demonstration(Sample(tuple(messages)), (0.0,) * failed + (1.0,))


def _failure(
    form: PromptForm, actions: ActionSpace, rail: Rail, point: Point, rng: Random
) -> Iterator[Message]:
    """The answer of another point of the route, or a random action with the right observation."""
    target = Target.at(point, 0)
    while True:
        other = rail.points[int(rng.random() * len(rail.points))]
        action = ACTIONS[actions][int(rng.random() * len(ACTIONS[actions]))]
        if rng.random() < 0.5:
            response = right_answer(form, rail, other)
        else:
            seen, sentence = prompts.observation(form, point), prompts.instruction(form, rail, other)
            response = compose(form, seen, sentence, action)
        if fault := judge(target, response, form, actions):
            yield assistant(response)
            yield user(prompts.feedback(form, fault, actions))
            return
