"""One session from the caller's side."""

import json
from collections.abc import Callable
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_conformance.check import Failed
from farfield_conformance.codes import named, short


class Episode:
    """Knows its next turn and all that it was shown."""

    def __init__(self, play: Callable[[pb.Action], pb.StepResult], started: pb.Started, seed: int) -> None:
        self._play, self.started, self.seed = play, started, seed
        self.id, self.facts_json, self.digest = started.session_id, started.facts_json, started.digest
        self.outcomes: list[pb.Outcome] = []
        self.responses: list[str] = []
        self.shown: list[types_pb2.Message] = list(started.observation.messages)

    @property
    def turn(self) -> int:
        return len(self.outcomes)

    @property
    def ended(self) -> bool:
        return bool(self.outcomes) and self.outcomes[-1].state != types_pb2.STATE_CONTINUE

    @property
    def succeeded(self) -> bool:
        return bool(self.outcomes) and self.outcomes[-1].success

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads(self.facts_json or "{}"))

    def step(self, response: str) -> pb.Outcome:
        """Plays the next turn; an error is a failure of the check."""
        result = self.try_turn(self.turn, response)
        if result.HasField("error"):
            raise Failed(
                f"turn {self.turn} of seed {self.seed} with the response {short(response)!r}: "
                f"{named(result.error)}: {result.error.message}"
            )
        return self.take(response, result.outcome)

    def take(self, response: str, outcome: pb.Outcome) -> pb.Outcome:
        """Goes on after an outcome that came by another way."""
        self.outcomes.append(outcome)
        self.responses.append(response)
        self.facts_json, self.digest = outcome.facts_json or self.facts_json, outcome.digest
        self.shown += outcome.observation.messages
        return outcome

    def try_turn(self, turn: int, response: str) -> pb.StepResult:
        """Whatever comes of a turn; the episode does not go on."""
        return self._play(pb.Action(session_id=self.id, turn=turn, response=response))

    def history(self, session_id: str = "", digest: str | None = None) -> pb.History:
        given = self.digest if digest is None else digest
        return pb.History(
            session_id=session_id or self.id, seed=self.seed, responses=self.responses, digest=given
        )


def text_of(messages: "list[types_pb2.Message]") -> str:
    """All words, one part a line."""
    return "\n".join(part.text for one in messages for part in one.parts if part.HasField("text"))


def images_of(observation: pb.Observation) -> list[types_pb2.Image]:
    return [
        part.image for one in observation.messages for part in one.parts if part.WhichOneof("kind") == "image"
    ]
