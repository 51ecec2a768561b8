"""A person in the policy's place: one episode against the real environment and verifier.

Knows no terminal: what to show goes to a `Table`, which also asks for answers.
"""

from collections.abc import Sequence
from typing import Protocol

from farfield.environment.v1 import environment_pb2 as env
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield_cli.services import Services


class Table(Protocol):
    """Where the person sits."""

    def show(self, messages: Sequence[types_pb2.Message]) -> None: ...

    async def answer(self, turn: int) -> str | None:
        """The person's response; None to get up."""
        ...

    def judge(self, verdict: types_pb2.Verdict, outcome: env.Outcome) -> None: ...


async def play(
    services: Services,
    table: Table,
    ref: env.EnvironmentRef,
    plan: ver.RewardPlan,
    session_id: str,
    seed: int,
) -> bool | None:
    """Whether the episode was solved; None when the person got up. As for a policy, the environment decides
    the dynamics and the end, the verifier the reward and the words."""
    started = await services.create(ref, session_id, seed)
    facts = started.facts_json
    await services.fill(started.observation.messages)
    table.show(started.observation.messages)
    turn = 0
    try:
        while True:
            response = await table.answer(turn)
            if response is None:
                return None
            outcome = await services.step(session_id, turn, response)
            facts = outcome.facts_json or facts
            verdict = await services.verify(plan, _attempt(session_id, response, facts, outcome))
            table.judge(verdict, outcome)
            if outcome.state != types_pb2.STATE_CONTINUE:
                return outcome.success
            await services.fill(outcome.observation.messages)
            table.show(outcome.observation.messages)
            turn += 1
    finally:
        await services.close(session_id)


def _attempt(session_id: str, response: str, facts: str, outcome: env.Outcome) -> ver.Attempt:
    return ver.Attempt(
        attempt_id=f"{session_id}/{outcome.turn}",
        response=response,
        facts_json=facts,
        turn=outcome.turn,
        state=outcome.state,
        success=outcome.success,
    )


def text_of(message: types_pb2.Message) -> str:
    """The words alone."""
    return "".join(part.text for part in message.parts)


def pictures_of(message: types_pb2.Message) -> list[bytes]:
    """Image files, in order."""
    return [part.image.data for part in message.parts if part.WhichOneof("kind") == "image"]
