"""The loop of one episode. The environment decides the dynamics and the end, the verifier reward and
feedback, the policy the tokens; here is only the order of the calls, and the record of what they said."""

import hashlib
import time

from farfield.environment.v1.environment_pb2 import Outcome
from farfield.policy.v1 import policy_pb2
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield.verifier.v1.verifier_pb2 import Attempt
from farfield_kernel.errors import CONTEXT_FULL, FailedPrecondition
from farfield_kernel.queue.contract import Claim, Played
from farfield_kernel.wire import ids_in
from farfield_rollout import meters
from farfield_rollout.config import RetryConfig
from farfield_rollout.conversation import Conversation
from farfield_rollout.failures import EpisodeFailed, Stage, failing_as, retried
from farfield_rollout.images import by_digest
from farfield_rollout.seeds import turn_seed
from farfield_rollout.services import Services
from farfield_rollout.session import Session

CONTRACT = pb.DESCRIPTOR.package
_CONTINUE, _TRUNCATED = types_pb2.STATE_CONTINUE, types_pb2.STATE_TRUNCATED
_LONGEST_ID = 128


async def play(claim: Claim, services: Services, retry: RetryConfig, worker: str) -> Played:
    """The episode's trajectory, finished, or with its failure and without a reward; and its images."""
    episode = Episode(claim, services, retry, worker)
    try:
        await episode.play()
    except EpisodeFailed as failed:
        fail(episode.trajectory, failed.failure, str(failed))
    finally:
        episode.close()
    return Played(claim, episode.trajectory, episode.images)


def fail(trajectory: pb.Trajectory, failure: pb.Failure.ValueType, detail: str) -> pb.Trajectory:
    """Marks the trajectory as ungraded: whatever was earned on the way is taken out."""
    trajectory.failure = failure
    trajectory.failure_detail = detail
    trajectory.end = _TRUNCATED
    trajectory.success = False
    for turn in trajectory.turns:
        turn.ClearField("verdict")
    return trajectory


def begun(claim: Claim, worker: str) -> pb.Trajectory:
    """The trajectory before its first turn."""
    provenance = pb.Provenance(
        worker=worker, attempt=claim.attempt, contract=CONTRACT, started_at=time.time()
    )
    return pb.Trajectory(spec=claim.spec, provenance=provenance)


def session_id_of(spec: pb.EpisodeSpec, attempt: int) -> str:
    """Unique per attempt, so that a late call of an attempt that is over never meets its successor."""
    name = f"{spec.run_id}/{spec.episode_id}#{attempt}"
    if len(name) <= _LONGEST_ID:
        return name
    return f"{name[:60]}~{hashlib.sha256(name.encode()).hexdigest()}"


class Episode:
    def __init__(self, claim: Claim, services: Services, retry: RetryConfig, worker: str) -> None:
        self.trajectory = begun(claim, worker)
        self._spec = spec = self.trajectory.spec
        self._services, self._retry = services, retry
        self._policy = services.policies.pinned()
        self._session = Session(
            session_id_of(spec, claim.attempt),
            spec.environment,
            spec.environment_seed,
            services.environments.of(spec.environment),
            services.images,
            retry,
        )
        self._conversation = Conversation(token_ids=True)

    @property
    def images(self) -> dict[str, bytes]:
        """Bytes of every image that was shown so far, by digest: they are held until the commit."""
        return self._session.images

    async def play(self) -> None:
        await self._meet_policy()
        await self._start()
        state: types_pb2.State.ValueType = _CONTINUE
        while state == _CONTINUE:
            state = await self._turn()
        self.trajectory.end = state

    def close(self) -> None:
        """Signs the record, and frees the session."""
        provenance = self.trajectory.provenance
        provenance.environment.CopyFrom(self._session.resolved)
        provenance.digest = self._session.digest
        provenance.restores = self._session.restores
        provenance.finished_at = time.time()
        self._session.close()
        self._policy.close()

    async def _meet_policy(self) -> None:
        with failing_as(Stage.GENERATE):
            engine = await retried(self._services.policies.describe, Stage.GENERATE, self._retry)
        self.trajectory.provenance.engine = engine.engine
        self._conversation = Conversation(engine.capabilities.token_ids_in)

    async def _start(self) -> None:
        with failing_as(Stage.START), meters.timed("start"):
            observation = await self._session.start()
        attempt = self.trajectory.provenance.attempt
        self._session.close_also(session_id_of(self._spec, before) for before in range(1, attempt))
        self._conversation.observe(observation)

    async def _turn(self) -> types_pb2.State.ValueType:
        """Plays one turn. The episode's state after it."""
        with failing_as(Stage.GENERATE):
            with meters.timed("generate") as timer:
                response = await self._generate()
            if response is None:
                self.trajectory.turns[-1].state = _TRUNCATED
                return _TRUNCATED
            turn = self._record(response)
        turn.generate_seconds = timer.seconds
        outcome = await self._step(turn)
        await self._verify(turn, outcome)
        turn.state = self._state_after(turn, outcome)
        self._conversation.observe(outcome.observation, turn.verdict.feedback)
        return turn.state

    async def _generate(self) -> policy_pb2.Response | None:
        """The response, or None where the conversation has outgrown the model's context."""
        prompt = self._prompt()
        try:
            return await retried(lambda: self._policy.generate(prompt), Stage.GENERATE, self._retry)
        except FailedPrecondition as error:
            if error.reason != CONTEXT_FULL:
                raise
            if not self.trajectory.turns:
                raise EpisodeFailed(pb.FAILURE_INVALID_SPEC, f"generate: {error}") from error
            return None

    def _prompt(self) -> policy_pb2.Prompt:
        spec, turn = self._spec, len(self.trajectory.turns)
        return policy_pb2.Prompt(
            request_id=f"{self._session.id}/{turn}",
            prefix_ids=self._conversation.prefix_ids,
            prefix_images=self._conversation.prefix_images,
            messages=self._conversation.prompt(),
            sampling=spec.sampling,
            seed=turn_seed(spec.sampling_seed, turn),
            require=policy_pb2.WeightVersion(run_id=spec.run_id, version=spec.policy_version),
            max_staleness=spec.max_staleness,
        )

    def _record(self, response: policy_pb2.Response) -> pb.Turn:
        """Takes the response into the conversation and the trajectory."""
        new = by_digest(self._conversation.messages)
        retokenized = not self._conversation.token_ids
        shown = self._conversation.images() if retokenized else []
        continues = self._conversation.answer(response)
        meters.turns.inc()
        meters.tokens.inc(ids_in(response.response_ids))
        return self.trajectory.turns.add(
            messages=new,
            continues=continues,
            retokenized=retokenized,
            prompt_images=shown,
            prompt_ids=response.prompt_ids,
            response_ids=response.response_ids,
            logprobs=response.logprobs,
            finish_reason=response.finish_reason,
            versions=response.versions,
            response_text=response.text,
        )

    async def _step(self, turn: pb.Turn) -> Outcome:
        with failing_as(Stage.ENVIRONMENT), meters.timed("environment") as timer:
            outcome = await self._session.step(turn.response_text)
        turn.environment_seconds = timer.seconds
        turn.metrics.update(outcome.metrics)
        self.trajectory.success = outcome.success
        return outcome

    async def _verify(self, turn: pb.Turn, outcome: Outcome) -> None:
        number = len(self.trajectory.turns) - 1
        attempt = Attempt(
            attempt_id=f"{self._session.id}/{number}",
            response=turn.response_text,
            facts_json=self._session.facts_json,
            turn=number,
            state=outcome.state,
            success=outcome.success,
            response_tokens=ids_in(turn.response_ids),
        )
        plan, verifiers = self._spec.reward, self._services.verifiers
        with failing_as(Stage.VERIFY), meters.timed("verify") as timer:
            verdict = await retried(lambda: verifiers.verify(plan, attempt), Stage.VERIFY, self._retry)
        turn.verify_seconds = timer.seconds
        turn.verdict.CopyFrom(verdict)

    def _state_after(self, turn: pb.Turn, outcome: Outcome) -> types_pb2.State.ValueType:
        """The environment's word, unless no further turn is possible."""
        full = turn.finish_reason == types_pb2.FINISH_REASON_CONTEXT
        spent = len(self.trajectory.turns) == self._spec.max_turns
        ends = outcome.state == _CONTINUE and (full or spent)
        return _TRUNCATED if ends else outcome.state
