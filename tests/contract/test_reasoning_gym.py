"""The plugin reasoning-gym as its services host it."""

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import grpc
import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_kernel.wire import struct_from

pytestmark = pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed")
PLAN = ver.RewardPlan(leaf=ver.Leaf(verifier="reasoning-gym"))


class Pair(NamedTuple):
    environment: Any
    verifier: Any

    def create(self, *sessions: tuple[str, int], **options: Any) -> env.CreateSessionsResponse:
        ref = env.EnvironmentRef(name="reasoning-gym", options=struct_from(options))
        new = [env.NewSession(session_id=name, seed=seed) for name, seed in sessions]
        return self.environment.CreateSessions(env.CreateSessionsRequest(environment=ref, sessions=new))

    def step(self, session: str, turn: int, response: str) -> env.Outcome:
        action = env.Action(session_id=session, turn=turn, response=response)
        return self.environment.Step(env.StepRequest(actions=[action])).results[0].outcome

    def judge(self, response: str, facts: str, state: types_pb2.State.ValueType) -> ver.VerifyResult:
        attempt = ver.Attempt(response=response, facts_json=facts, state=state)
        return self.verifier.Verify(ver.VerifyRequest(plan=PLAN, attempts=[attempt])).results[0]


@pytest.fixture(scope="module")
def pair(serve: Callable[..., Any]) -> Iterator[Pair]:
    at = serve("reasoning-gym")
    with grpc.insecure_channel(at.environment) as one, grpc.insecure_channel(at.verifier) as other:
        yield Pair(EnvironmentServiceStub(one), VerifierServiceStub(other))


def test_a_revision_from_the_first_attempt_to_the_solution(pair: Pair) -> None:
    (started,) = pair.create(("a", 1), dataset="word_sorting", max_turns=3).sessions
    facts = json.loads(started.facts_json)
    shown = "".join(part.text for message in started.observation.messages for part in message.parts)
    assert facts["entry"]["answer"] not in shown
    wrong = pair.step("a", 0, "<answer>zebra</answer>")
    assert wrong.state == types_pb2.STATE_CONTINUE
    verdict = pair.judge("<answer>zebra</answer>", started.facts_json, wrong.state).verdict
    assert (verdict.correct, verdict.reward < 1, bool(verdict.feedback)) == (False, True, True)
    assert facts["entry"]["answer"] not in verdict.feedback
    right = f"<answer>{facts['entry']['answer']}</answer>"
    solved = pair.step("a", 1, right)
    assert (solved.state, solved.success) == (types_pb2.STATE_TERMINATED, True)
    verdict = pair.judge(right, started.facts_json, solved.state).verdict
    assert (verdict.correct, verdict.reward) == (True, 1.0)


def test_a_scorer_that_fails_gives_an_error_and_no_verdict(pair: Pair) -> None:
    (started,) = pair.create(("d", 1), dataset="caesar_cipher").sessions
    facts = json.loads(started.facts_json)
    del facts["entry"]["answer"]
    result = pair.judge("<answer>x</answer>", json.dumps(facts), types_pb2.STATE_TRUNCATED)
    assert result.WhichOneof("result") == "error"
    assert "KeyError: 'answer'" in result.error.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dataset": "puzzle24"}, "'puzzle24' is not offered: its scorer takes any four numbers"),
        ({"config": {"min_terms": 0}}, "min_terms must be positive"),
    ],
)
def test_what_is_refused_is_refused_with_the_reason(pair: Pair, options: Any, says: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        pair.create(("e", 1), **options)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert says in refused.value.details()


def test_demonstrations(pair: Pair) -> None:
    ref = env.EnvironmentRef(name="reasoning-gym", variant="level-0")
    request = env.DemonstrateRequest(environment=ref, seed=3, count=2, style="optimal")
    answers = list(pair.environment.Demonstrate(request))
    assert [answer.seed for answer in answers] == [3, 4]
    assert all(answer.messages[1].parts[0].text.startswith("<answer>") for answer in answers)
