"""A game of Gymnasium as the services host it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_kernel.wire import struct_from


@pytest.fixture(scope="module")
def stubs(serve: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    at = serve("gymnasium")
    with grpc.insecure_channel(at.environment) as one, grpc.insecure_channel(at.verifier) as other:
        yield EnvironmentServiceStub(one), VerifierServiceStub(other)


def create(stub: Any, session: str, variant: str = "", **options: Any) -> env.Started:
    ref = env.EnvironmentRef(name="gymnasium", variant=variant, options=struct_from(options))
    new = [env.NewSession(session_id=session, seed=1)]
    return stub.CreateSessions(env.CreateSessionsRequest(environment=ref, sessions=new)).sessions[0]


def test_an_episode_with_its_rewards(stubs: tuple[Any, Any]) -> None:
    environment, verifier = stubs
    started = create(environment, "a", "lake")
    words = ["down", "down", "right", "nowhere", "right", "down", "right"]
    facts, rewards, feedback = started.facts_json, [], []
    for turn, word in enumerate(words):
        action = env.Action(session_id="a", turn=turn, response=f"<action>{word}</action>")
        outcome = environment.Step(env.StepRequest(actions=[action])).results[0].outcome
        facts = outcome.facts_json or facts
        attempt = ver.Attempt(
            response=action.response,
            facts_json=facts,
            turn=turn,
            state=outcome.state,
            success=outcome.success,
        )
        plan = ver.RewardPlan(leaf=ver.Leaf(verifier="gymnasium"))
        answer = verifier.Verify(ver.VerifyRequest(plan=plan, attempts=[attempt]))
        rewards.append(answer.results[0].verdict.reward)
        feedback.append(answer.results[0].verdict.feedback)
    assert (outcome.state, outcome.success) == (types_pb2.STATE_TERMINATED, True)
    assert rewards == [0, 0, 0, -1, 0, 0, 1]
    assert [bool(text) for text in feedback] == [word == "nowhere" for word in words]
    assert json.loads(facts)["return"] == 1


def test_a_game_that_does_not_exist(stubs: tuple[Any, Any]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        create(stubs[0], "b", id="NoSuchGame-v0")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "NoSuchGame" in refused.value.details()
