"""Who knows the right responses: the plugin's own `oracle`, or a demonstration."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_conformance.check import Failed, Skipped
from farfield_conformance.environment.episode import Episode, text_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import CALL_SECONDS, plain
from farfield_sdk import Environment, State

MOST_TURNS = 500


def solved(subject: EnvironmentSubject, seed: int) -> Episode:
    """An episode played by its oracle to the end, or as far as it goes."""
    (episode,) = subject.start(seed)
    for response in right_responses(subject, seed):
        episode.step(response)
        if episode.ended:
            break
    return episode


def right_responses(subject: EnvironmentSubject, seed: int) -> Iterator[str]:
    """The best response of each turn in order; Skipped where nobody knows."""
    if subject.plugin is not None:
        try:
            yield from _of_class(subject, subject.plugin, seed)
            return
        except NotImplementedError:
            pass
    yield from _of_demonstration(subject, seed)


def demonstrations(
    subject: EnvironmentSubject, style: str, seed: int, count: int = 1
) -> list[pb.DemonstrateResponse]:
    subject.expect_startable()
    request = pb.DemonstrateRequest(environment=subject.ref(), seed=seed, count=count, style=style)
    return list(subject.stub.Demonstrate(request, timeout=CALL_SECONDS))


def targets(sample: pb.DemonstrateResponse) -> list[str]:
    """What the expert says in it, in order."""
    return [text_of([one]) for one in sample.messages if one.role == types_pb2.ROLE_ASSISTANT]


def complete_options(subject: EnvironmentSubject) -> dict[str, Any]:
    """As the service resolved them."""
    subject.expect_startable()
    return plain(subject.create(subject.ref(), []).environment.options)


def _of_class(subject: EnvironmentSubject, cls: type[Environment], seed: int) -> Iterator[str]:
    """A plugin object beside the service plays along."""
    game = cls(cls.Options.model_validate(complete_options(subject)))
    _now(game.reset(seed))
    for _ in range(MOST_TURNS):
        response = _now(game.oracle())
        yield response
        if _now(game.step(response)).state is not State.CONTINUE:
            return
    raise Failed(f"the oracle has not ended the episode of seed {seed} in {MOST_TURNS} turns")


def _of_demonstration(subject: EnvironmentSubject, seed: int) -> Iterator[str]:
    styles = subject.info.demonstration_styles
    if not styles:
        raise Skipped("no oracle is known: the plugin has none, and no demonstration style")
    for sample in demonstrations(subject, styles[0], seed):
        yield from targets(sample)


def _now(answer: Any) -> Any:
    """The answer; of an `async` plugin once it is there."""
    return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer
