"""The loop of one episode, against services that keep the contracts."""

import itertools
import math

import pytest

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.policy.v1 import policy_pb2 as pol
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.types.v1 import types_pb2 as types
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan
from farfield_kernel import wire
from farfield_kernel.errors import (
    Conflict,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_rollout.config import RetryConfig
from farfield_rollout.episode import play, session_id_of
from farfield_rollout.seeds import turn_seed

HASTY = RetryConfig(patience_seconds=0.05, retries=1, first_delay_seconds=0.001, max_delay_seconds=0.01)


async def played(world, spec: pb.EpisodeSpec | None = None, attempt: int = 1, retry=None) -> pb.Trajectory:
    claim = world.claim(spec, attempt)
    return (await play(claim, world.services, retry or world.config.retry, "w")).trajectory


def without_times(trajectory: pb.Trajectory) -> pb.Trajectory:
    """What of a trajectory is a function of its spec and the weights."""
    copy = pb.Trajectory()
    copy.CopyFrom(trajectory)
    copy.ClearField("provenance")
    for turn in copy.turns:
        turn.ClearField("generate_seconds")
        turn.ClearField("environment_seconds")
        turn.ClearField("verify_seconds")
    return copy


async def test_a_finished_episode_tells_everything(world) -> None:
    trajectory = await played(world)
    assert trajectory.spec == world.spec()
    assert not trajectory.failure
    assert [turn.state for turn in trajectory.turns] == [1, 1, 3]
    assert trajectory.end == types.STATE_TRUNCATED
    for turn in trajectory.turns:
        assert turn.verdict.reward == float(turn.response_text == "7")
        assert len(turn.logprobs) == len(turn.response_ids) == 8
        assert turn.versions[0].tokens == 2
        assert not turn.retokenized
        assert turn.finish_reason == types.FINISH_REASON_STOP_TOKEN
        assert min(turn.generate_seconds, turn.environment_seconds, turn.verify_seconds) > 0
    assert trajectory.turns[2].metrics["guesses"] == 3
    provenance = trajectory.provenance
    assert (provenance.worker, provenance.engine, provenance.attempt) == ("w", "digits", 1)
    assert provenance.environment == EnvironmentRef(name="guess", version="1.0.0")
    assert provenance.contract == "farfield.trajectory.v1"
    assert len(provenance.digest) == 64
    assert provenance.started_at <= provenance.finished_at


async def test_every_turn_goes_on_with_the_ids_before_it(world) -> None:
    turns = (await played(world)).turns
    assert [turn.continues for turn in turns] == [False, True, True]
    for before, after in itertools.pairwise(turns):
        prefix = before.prompt_ids + before.response_ids
        assert after.prompt_ids.startswith(prefix)
        assert len(after.prompt_ids) > len(prefix)
        assert [part.text for part in after.messages[0].parts] == ["Wrong."]


async def test_each_turn_draws_with_its_own_documented_seed(world) -> None:
    await played(world)
    assert [prompt.seed for prompt in world.policy.prompts] == [turn_seed(1007, turn) for turn in range(3)]
    assert len({prompt.seed for prompt in world.policy.prompts}) == 3


async def test_the_weights_of_the_plan_are_required(world) -> None:
    world.policy.version = 3
    await played(world, world.spec(policy_version=4, max_staleness=1))
    require = world.policy.prompts[0].require
    assert (require.run_id, require.version, world.policy.prompts[0].max_staleness) == ("run", 4, 1)


async def test_the_same_spec_gives_the_same_episode(world) -> None:
    first, second = await played(world), await played(world, attempt=4)
    assert without_times(first) == without_times(second)
    assert without_times(await played(world, world.spec(8))) != without_times(first)


async def test_the_verifier_sees_the_facts_and_the_policy_does_not(world) -> None:
    await played(world)
    assert {attempt.facts_json for attempt in world.verifier.attempts} == {'{"answer": "7"}'}
    assert [attempt.turn for attempt in world.verifier.attempts] == [0, 1, 2]
    assert [attempt.state for attempt in world.verifier.attempts] == [1, 1, 3]
    assert "answer" not in str(world.policy.prompts)


async def test_the_session_is_closed(world) -> None:
    await played(world)
    await world.services.close()
    assert world.environment.closed == ["run/e/7#1"]


async def test_a_later_attempt_frees_the_sessions_of_former_ones(world) -> None:
    await played(world, attempt=3)
    await world.services.close()
    assert sorted(world.environment.closed) == ["run/e/7#1", "run/e/7#2", "run/e/7#3"]


async def test_a_fresh_context_starts_from_its_own_messages(world) -> None:
    world.environment.fresh, world.environment.hint = True, "A new view."
    turns = (await played(world)).turns
    assert not any(turn.continues for turn in turns)
    assert [prompt.prefix_ids for prompt in world.policy.prompts] == [b"", b"", b""]
    assert list(turns[1].messages) == [world.user("A new view.")]


async def test_an_engine_without_token_input_gets_the_whole_conversation(world) -> None:
    world.policy.token_ids_in = False
    turns = (await played(world)).turns
    assert all(turn.retokenized for turn in turns)
    assert [len(prompt.messages) for prompt in world.policy.prompts] == [1, 3, 5]
    assert {prompt.prefix_ids for prompt in world.policy.prompts} == {b""}
    assert world.policy.prompts[1].messages[1].role == types.ROLE_ASSISTANT
    assert [len(turn.messages) for turn in turns] == [1, 1, 1]


async def test_a_prompt_that_drifts_fails_the_episode(world) -> None:
    world.policy.drifts = True
    trajectory = await played(world)
    assert trajectory.failure == pb.FAILURE_POLICY
    assert "does not begin with" in trajectory.failure_detail
    assert len(trajectory.turns) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"run_id": "another"}, "of run 'another'"),
        ({"versions": [pol.VersionSpan(version=-1, tokens=2)]}, "versions [-1] of run"),
        ({"versions": [{"version": 0, "tokens": 1}, {"version": 1, "tokens": 1}]}, "versions [0, 1] of run"),
        ({"logprobs": wire.floats_to_bytes([math.nan, -1.0])}, "not finite"),
        ({"prompt_ids": b""}, "0 bytes of prompt ids"),
        ({"prompt_ids": b"five!"}, "5 bytes of prompt ids"),
        ({"logprobs": wire.floats_to_bytes([-1.0])}, "8 bytes of ids with 4 bytes of logprobs"),
    ],
)
async def test_a_response_that_cannot_be_fails_the_episode(world, answer, said) -> None:
    respond = world.policy._respond

    def respond_otherwise(prompt):
        response = respond(prompt)
        for name in answer:
            response.ClearField(name)
        response.MergeFrom(pol.Response(**answer))
        return response

    world.policy._respond = respond_otherwise
    trajectory = await played(world, retry=HASTY)
    assert trajectory.failure == pb.FAILURE_POLICY
    assert said in trajectory.failure_detail
    assert not trajectory.turns


@pytest.mark.parametrize("odd", [{"reward": math.inf}, {"reward": 1.0, "terms": {"length": math.nan}}])
async def test_a_reward_that_is_no_number_is_no_reward(world, odd) -> None:
    world.verifier._judge = lambda attempt: ver.VerifyResult(
        attempt_id=attempt.attempt_id, verdict=types.Verdict(**odd)
    )
    trajectory = await played(world, retry=HASTY)
    assert trajectory.failure == pb.FAILURE_NOT_GRADED
    assert "not judged" in trajectory.failure_detail
    assert not any(turn.HasField("verdict") for turn in trajectory.turns)


async def test_the_guard_truncates(world) -> None:
    trajectory = await played(world, world.spec(max_turns=2))
    assert len(trajectory.turns) == 2
    assert trajectory.end == trajectory.turns[1].state == types.STATE_TRUNCATED
    assert not trajectory.failure


async def test_a_response_cut_by_the_context_is_the_last(world) -> None:
    world.policy.context = len("<2>Guess the digit.") + 2
    trajectory = await played(world)
    assert [turn.finish_reason for turn in trajectory.turns] == [types.FINISH_REASON_CONTEXT]
    assert trajectory.end == types.STATE_TRUNCATED
    assert trajectory.turns[0].HasField("verdict")
    assert not trajectory.failure


async def test_a_conversation_that_outgrows_the_context_is_truncated(world) -> None:
    world.policy.context = len("<2>Guess the digit.") + 2 + 3
    trajectory = await played(world)
    assert len(trajectory.turns) == 1
    assert trajectory.end == trajectory.turns[0].state == types.STATE_TRUNCATED
    assert not trajectory.failure


async def test_a_task_that_never_fits_is_an_invalid_plan(world) -> None:
    world.policy.context = 4
    assert (await played(world)).failure == pb.FAILURE_INVALID_SPEC


@pytest.mark.parametrize(
    ("service", "method", "errors"),
    [
        ("environment", "create", [Unavailable("draining"), Exhausted("full", retry_after=0.001)]),
        ("environment", "create", [PluginFailure("raised"), DeadlineExceeded("late")]),
        ("environment", "step", [Unavailable("away")] * 3),
        ("environment", "step", [PluginFailure("raised")]),
        ("environment", "step", [DeadlineExceeded("late"), NotFound("lost"), Unavailable("away")]),
        ("verifier", "judge", [PluginFailure("broke"), Unavailable("away"), DeadlineExceeded("late")]),
        ("policy", "describe", [PluginFailure("broke")]),
        ("policy", "generate", [PluginFailure("broke"), Exhausted("full"), Unavailable("paused")]),
    ],
)
async def test_what_passes_is_waited_out_and_leaves_no_trace(world, service, method, errors) -> None:
    undisturbed = await played(world)
    getattr(world, service).faults.plan(method, *errors)
    trajectory = await played(world, attempt=2)
    assert not trajectory.failure
    assert without_times(trajectory) == without_times(undisturbed)
    assert trajectory.provenance.digest == undisturbed.provenance.digest


@pytest.mark.parametrize(
    ("service", "method", "error", "failure"),
    [
        ("environment", "create", PluginFailure("raised"), pb.FAILURE_ENVIRONMENT),
        ("environment", "create", InvalidArgument("target: not a number"), pb.FAILURE_INVALID_SPEC),
        ("environment", "create", Exhausted("full"), pb.FAILURE_ENVIRONMENT),
        ("environment", "step", PluginFailure("raised"), pb.FAILURE_ENVIRONMENT),
        ("environment", "step", Conflict("another response"), pb.FAILURE_ENVIRONMENT),
        ("environment", "step", InvalidArgument("too long"), pb.FAILURE_ENVIRONMENT),
        ("verifier", "judge", PluginFailure("NaN"), pb.FAILURE_NOT_GRADED),
        ("verifier", "judge", InvalidArgument("facts are missing"), pb.FAILURE_NOT_GRADED),
        ("verifier", "judge", Unavailable("away"), pb.FAILURE_NOT_GRADED),
        ("policy", "generate", PluginFailure("CUDA"), pb.FAILURE_POLICY),
        ("policy", "generate", FailedPrecondition("no images"), pb.FAILURE_POLICY),
        ("policy", "describe", PluginFailure("CUDA"), pb.FAILURE_POLICY),
    ],
)
async def test_what_stays_has_a_name_and_no_reward(world, service, method, error, failure) -> None:
    getattr(world, service).faults.plan(method, *[error] * 1000)
    trajectory = await played(world, retry=HASTY)
    assert trajectory.failure == failure
    assert str(error) in trajectory.failure_detail
    assert trajectory.end == types.STATE_TRUNCATED
    assert not trajectory.success
    assert not any(turn.HasField("verdict") for turn in trajectory.turns)


async def test_what_was_earned_before_a_failure_is_taken_out(world) -> None:
    world.policy.says = "7"  # the answer
    step = world.environment._step

    def step_once(action):
        if action.turn:
            raise PluginFailure("raised")
        return step(action)

    world.environment._step = step_once
    trajectory = await played(world, retry=HASTY)
    assert trajectory.failure == pb.FAILURE_ENVIRONMENT
    assert [turn.response_text for turn in trajectory.turns] == ["7", "7"]
    assert [attempt.response for attempt in world.verifier.attempts] == ["7"]
    assert not any(turn.HasField("verdict") for turn in trajectory.turns)


async def test_unknown_names_are_an_invalid_plan(world) -> None:
    for wrong in (
        world.spec(environment=EnvironmentRef(name="gess")),
        world.spec(reward=RewardPlan(leaf=Leaf(verifier="exakt"))),
    ):
        trajectory = await played(world, wrong)
        assert trajectory.failure == pb.FAILURE_INVALID_SPEC
        assert "hosted:" in trajectory.failure_detail


async def test_weights_that_are_not_there_yet_are_waited_for(world) -> None:
    spec = world.spec(policy_version=1)
    trajectory = await played(world, spec, retry=HASTY)
    assert trajectory.failure == pb.FAILURE_POLICY

    asked = []
    original = world.policy._respond

    def respond(prompt):
        asked.append(prompt)
        world.policy.version = int(len(asked) > 3)
        return original(prompt)

    world.policy._respond = respond
    assert not (await played(world, spec)).failure
    assert len(asked) == 6


async def test_a_lost_session_is_rebuilt_with_its_digest_checked(world) -> None:
    undisturbed = await played(world)
    step = world.environment._step

    def losing(action):
        if action.turn == 1 and not world.environment.faults.calls["restore"]:
            world.environment.sessions.clear()
        return step(action)

    world.environment._step = losing
    trajectory = await played(world, attempt=2)
    assert without_times(trajectory) == without_times(undisturbed)
    assert trajectory.provenance.restores == 1
    assert trajectory.provenance.digest == undisturbed.provenance.digest


async def test_an_environment_that_replays_differently_fails_the_episode(world) -> None:
    step = world.environment._step

    def losing(action):
        if action.turn == 1:
            world.environment.sessions.clear()
            world.environment.salt = "another history"
        return step(action)

    world.environment._step = losing
    trajectory = await played(world)
    assert trajectory.failure == pb.FAILURE_ENVIRONMENT
    assert "another history" in trajectory.failure_detail


async def test_a_lost_answer_is_asked_for_again_and_the_step_is_applied_once(world) -> None:
    step = world.environment._step
    lost = []

    def deaf(action):
        outcome = step(action)
        if not lost:
            lost.append(action)
            raise Unavailable("the connection broke after the step")
        return outcome

    world.environment._step = deaf
    trajectory = await played(world)
    assert not trajectory.failure
    assert trajectory.provenance.restores == 0
    assert world.environment.steps["run/e/7#1", 0] == 2
    assert [turn.metrics["guesses"] for turn in trajectory.turns] == [1, 2, 3]


async def test_a_stale_session_under_the_same_id_is_replaced(world) -> None:
    """As after a wiped queue, which counts attempts from 1 again."""
    world.environment.sessions["run/e/7#1"] = ["old"]
    trajectory = await played(world)
    assert not trajectory.failure
    assert [turn.metrics["guesses"] for turn in trajectory.turns] == [1, 2, 3]


def test_session_ids_are_unique_and_short(world) -> None:
    spec = world.spec()
    assert session_id_of(spec, 1) != session_id_of(spec, 2)
    spec.episode_id = "long/" * 100
    ids = {session_id_of(spec, attempt) for attempt in range(1, 100)}
    assert len(ids) == 99
    assert max(map(len, ids)) <= 128
