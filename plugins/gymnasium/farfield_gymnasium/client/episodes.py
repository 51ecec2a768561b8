"""Episodes that are played side by side: each step of all of them is one call to each service."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from farfield.environment.v1 import environment_pb2 as env
from farfield.types.v1.types_pb2 import STATE_TERMINATED, STATE_TRUNCATED, Message, Verdict
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield_gymnasium.client.conversation import Conversation, images_of
from farfield_gymnasium.client.services import ServiceError, Services


@dataclass(frozen=True, slots=True)
class Task:
    """What is played, and by which reward plan."""

    ref: env.EnvironmentRef
    plan: ver.RewardPlan

    @classmethod
    def of(
        cls, name: str, variant: str, options: Mapping[str, Any], reward: str | Mapping[str, Any] | None
    ) -> "Task":
        """`reward` is a verifier's name, by default the environment's, or a plan as JSON has it."""
        if isinstance(reward, Mapping):
            plan = ParseDict(dict(reward), ver.RewardPlan())
        else:
            plan = ver.RewardPlan(leaf=ver.Leaf(verifier=reward or name))
        return cls(env.EnvironmentRef(name=name, variant=variant, options=_struct(options)), plan)

    def over(self, options: Mapping[str, Any]) -> "Task":
        """The same with options laid over its own."""
        ref = env.EnvironmentRef()
        ref.CopyFrom(self.ref)
        ref.options.MergeFrom(_struct(options))
        return Task(ref, self.plan)


def _struct(values: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update(dict(values))
    return struct


@dataclass(slots=True)
class Episode:
    """One session, and what is needed to go on with it elsewhere. The facts go to the verifier alone."""

    task: Task
    seed: int
    id: str = field(default_factory=lambda: f"gym-{uuid.uuid4().hex}")
    conversation: Conversation = field(default_factory=Conversation)
    responses: list[str] = field(default_factory=list)
    facts_json: str = ""
    digest: str = ""

    def begin(self, started: env.Started) -> None:
        self.facts_json, self.digest = started.facts_json, started.digest
        self.conversation.observe(started.observation)

    def action(self, response: str) -> env.Action:
        return env.Action(session_id=self.id, turn=len(self.responses), response=response)

    def attempt(self, response: str, outcome: env.Outcome) -> ver.Attempt:
        """What the verifier has to judge."""
        return ver.Attempt(
            attempt_id=f"{self.id}/{outcome.turn}",
            response=response,
            facts_json=outcome.facts_json or self.facts_json,
            turn=outcome.turn,
            state=outcome.state,
            success=outcome.success,
        )

    def go_on(self, response: str, outcome: env.Outcome, feedback: str) -> None:
        self.responses.append(response)
        self.facts_json = outcome.facts_json or self.facts_json
        self.digest = outcome.digest
        self.conversation.answer(response)
        self.conversation.observe(outcome.observation, feedback)

    def history(self) -> env.History:
        return env.History(session_id=self.id, seed=self.seed, responses=self.responses, digest=self.digest)


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a response."""

    outcome: env.Outcome
    verdict: Verdict

    @property
    def terminated(self) -> bool:
        return self.outcome.state == STATE_TERMINATED

    @property
    def truncated(self) -> bool:
        return self.outcome.state == STATE_TRUNCATED


def start(services: Services, task: Task, seeds: Sequence[int]) -> list[Episode]:
    """An episode for each seed."""
    episodes = [Episode(task, seed) for seed in seeds]
    new = [env.NewSession(session_id=one.id, seed=one.seed) for one in episodes]
    for episode, started in zip(episodes, services.create(task.ref, new), strict=True):
        episode.begin(started)
    _fill(services, [message for one in episodes for message in one.conversation.new])
    return episodes


def step(services: Services, episodes: Sequence[Episode], responses: Sequence[str]) -> list[Turn]:
    """One turn of each, which share a reward plan. ServiceError where one cannot be played or judged: there
    is no reward then, and every turn stays open for the same response."""
    if not episodes:
        return []
    outcomes = _outcomes(services, episodes, responses)
    played = list(zip(episodes, responses, outcomes, strict=True))
    attempts = [episode.attempt(response, outcome) for episode, response, outcome in played]
    verdicts = services.verify(episodes[0].task.plan, attempts)
    _fill(services, [message for outcome in outcomes for message in outcome.observation.messages])
    for (episode, response, outcome), verdict in zip(played, verdicts, strict=True):
        episode.go_on(response, outcome, verdict.feedback)
    return [Turn(outcome, verdict) for outcome, verdict in zip(outcomes, verdicts, strict=True)]


def end(services: Services, episodes: Sequence[Episode]) -> None:
    """Frees the sessions."""
    if episodes:
        services.discard([one.id for one in episodes])


def _outcomes(services: Services, episodes: Sequence[Episode], responses: Sequence[str]) -> list[env.Outcome]:
    """A session that its service has lost, by its lease or with its host, is replayed from its seed."""
    actions = [episode.action(response) for episode, response in zip(episodes, responses, strict=True)]
    results = services.step(actions)
    return [
        _again(services, episode, action) if _lost(result) else _outcome(result)
        for episode, action, result in zip(episodes, actions, results, strict=True)
    ]


def _lost(result: env.StepResult) -> bool:
    return result.HasField("error") and ServiceError.of(result.error).code == "NOT_FOUND"


def _again(services: Services, episode: Episode, action: env.Action) -> env.Outcome:
    services.restore(episode.task.ref, episode.history())
    return _outcome(services.step([action])[0])


def _outcome(result: env.StepResult) -> env.Outcome:
    if result.HasField("error"):
        raise ServiceError.of(result.error)
    return result.outcome


def _fill(services: Services, messages: Sequence[Message]) -> None:
    """Fetches the images that came by digest alone."""
    absent = [image for image in images_of(messages) if not image.data]
    if not absent:
        return
    found = services.images({image.sha256 for image in absent})
    for image in absent:
        image.data = found[image.sha256]
