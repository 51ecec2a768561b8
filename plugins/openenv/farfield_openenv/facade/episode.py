"""One episode in OpenEnv's verbs: the environment's outcome and the verifier's verdict as one answer."""

import secrets
from typing import Any
from uuid import uuid4

from farfield.environment.v1.environment_pb2 import Outcome
from farfield.types.v1 import types_pb2
from farfield.verifier.v1.verifier_pb2 import Attempt
from farfield_kernel.errors import FailedPrecondition
from farfield_openenv.facade import answers
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.forms import LARGEST_SEED, ResetData
from farfield_rollout.conversation import Conversation


class Episode:
    def __init__(self, backend: Backend, wanted: ResetData) -> None:
        self.turns = 0
        """Turns that were played and graded."""
        self.episode_id = wanted.episode_id or uuid4().hex
        self._backend, self._ignored = backend, sorted(wanted.model_extra or ())
        self._seed = secrets.randbelow(LARGEST_SEED) if wanted.seed is None else wanted.seed
        # A client may give two connections one episode id; a session has its own.
        self._session = backend.session(f"openenv-{uuid4().hex}", wanted, self._seed)
        self._conversation = Conversation(token_ids=True)
        self._ungraded: tuple[str, Outcome] | None = None

    async def start(self) -> dict[str, Any]:
        shown = await self._session.start()
        self._conversation.observe(shown)
        environment = self._session.resolved
        metadata: dict[str, Any] = {
            "environment": environment.name,
            "version": environment.version,
            "seed": self._seed,
        }
        if self._ignored:
            metadata["ignored"] = self._ignored
        return answers.observed(answers.observation(self._conversation.messages, True, metadata))

    async def step(self, response: str) -> dict[str, Any]:
        outcome = await self._play(response)
        verdict = await self._backend.verify(self._attempt(response, outcome))
        self._ungraded = None
        self.turns += 1
        shown = outcome.observation
        self._conversation.observe(shown, verdict.feedback)
        observation = answers.observation(
            self._conversation.messages,
            shown.fresh_context,
            answers.graded(outcome, verdict),
            verdict.feedback,
        )
        done = outcome.state != types_pb2.STATE_CONTINUE
        return answers.observed(observation, verdict.reward, done)

    def close(self) -> None:
        self._session.close()

    async def _play(self, response: str) -> Outcome:
        """The outcome of the turn, played once: where grading it failed, the same response asks again."""
        if self._ungraded is None:
            self._ungraded = response, await self._session.step(response)
        played, outcome = self._ungraded
        if played != response:
            raise FailedPrecondition(
                f"turn {outcome.turn} was played with another response and could not be graded yet: send "
                "that response again, or reset"
            )
        return outcome

    def _attempt(self, response: str, outcome: Outcome) -> Attempt:
        return Attempt(
            attempt_id=f"{self._session.id}/{outcome.turn}",
            response=response,
            facts_json=self._session.facts_json,
            turn=outcome.turn,
            state=outcome.state,
            success=outcome.success,
        )
