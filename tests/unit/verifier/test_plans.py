from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_kernel.errors import FailedPrecondition
from farfield_sdk import Attempt, Verdict
from farfield_verifier.plans import Clip, Gate, Leaf, Length, Max, Node, Sequential, Shaping, WeightedSum

A, B, C = Leaf("a", None), Leaf("b", None), Leaf("c", None)
GOOD = Verdict(2.0, True, "well done", {"x": 1.5})
BAD = Verdict(-1.0, False, "try again", {"x": -3.0}, parseable=False)


def run(
    node: Node, verdicts: dict[str, Verdict], turn: int = 0, tokens: int | None = None
) -> tuple[Verdict, list[str]]:
    """The combined verdict, and the leaves that were judged for it."""
    asking, asked = node.ask(Attempt("", {}, turn, response_tokens=tokens)), []
    sent = None
    while True:
        try:
            leaf = asking.send(sent)  # type: ignore[arg-type]
        except StopIteration as stop:
            return stop.value, asked
        asked.append(leaf.label)
        sent = verdicts[leaf.label]


def test_a_leaf_prefixes_its_terms() -> None:
    verdict, asked = run(A, {"a": BAD})
    assert asked == ["a"]
    assert verdict == replace(BAD, terms={"a/reward": -1.0, "a/x": -3.0})


def test_weighted_sum() -> None:
    verdict, _ = run(WeightedSum([0.5, 2.0], [A, B]), {"a": BAD, "b": GOOD})
    assert verdict.reward == 0.5 * -1.0 + 2.0 * 2.0
    assert (verdict.correct, verdict.feedback, verdict.parseable) == (False, "try again", False)
    assert verdict.terms == {"a/reward": -1.0, "a/x": -3.0, "b/reward": 2.0, "b/x": 1.5}


def test_gate_opens_only_for_the_correct() -> None:
    gate = Gate(A, B, otherwise=-7.0)
    closed, asked = run(gate, {"a": BAD, "b": GOOD})
    assert (closed.reward, closed.correct, closed.feedback, asked) == (-7.0, False, "try again", ["a"])
    opened, asked = run(gate, {"a": GOOD, "b": BAD})
    assert (opened.reward, opened.correct, opened.feedback, asked) == (-1.0, True, "well done", ["a", "b"])
    assert set(opened.terms) == {"a/reward", "a/x", "b/reward", "b/x"}


@pytest.mark.parametrize(("reward", "clipped"), [(-5.0, -1.0), (0.5, 0.5), (5.0, 1.0)])
def test_clip(reward: float, clipped: float) -> None:
    verdict, _ = run(Clip(A, -1.0, 1.0), {"a": replace(GOOD, reward=reward)})
    assert verdict.reward == clipped
    assert verdict.terms["a/reward"] == reward


def test_max_takes_the_whole_verdict_of_the_largest() -> None:
    verdict, asked = run(Max([A, B, C]), {"a": BAD, "b": GOOD, "c": replace(GOOD, feedback="also")})
    assert asked == ["a", "b", "c"]
    assert (verdict.reward, verdict.correct, verdict.feedback) == (2.0, True, "well done")
    assert verdict.terms["a/reward"] == -1.0


def test_sequential_stops_at_the_first_that_is_not_correct() -> None:
    verdict, asked = run(Sequential([A, B, C]), {"a": GOOD, "b": BAD, "c": GOOD})
    assert asked == ["a", "b"]
    assert (verdict.reward, verdict.correct, verdict.feedback) == (1.0, False, "try again")
    verdict, asked = run(Sequential([A, B, C]), {"a": GOOD, "b": GOOD, "c": replace(GOOD, feedback="end")})
    assert asked == ["a", "b", "c"]
    assert (verdict.reward, verdict.correct, verdict.feedback) == (6.0, True, "end")


def test_shaping_prices_late_success() -> None:
    verdict, _ = run(Shaping(A, -0.25), {"a": GOOD}, turn=3)
    assert verdict.reward == 2.0 - 0.75
    assert verdict.terms["shaping/reward"] == -0.75


def test_a_gate_on_the_form_opens_for_the_parseable() -> None:
    gate = Gate(A, B, otherwise=-7.0, on_form=True)
    shut, asked = run(gate, {"a": BAD, "b": GOOD})
    assert (shut.reward, shut.correct, shut.parseable, asked) == (-7.0, False, False, ["a"])
    wrong = replace(BAD, parseable=True)
    opened, asked = run(gate, {"a": wrong, "b": GOOD})
    assert (opened.reward, opened.correct, opened.feedback, asked) == (2.0, True, "well done", ["a", "b"])


@pytest.mark.parametrize(("tokens", "added"), [(0, 0.0), (10, 0.0), (14, -1.0), (1000, -2.0)])
def test_length_prices_tokens_beyond_the_free_ones(tokens: int, added: float) -> None:
    node = Length(A, per_token=-0.25, free_tokens=10, most=2.0, label="long")
    verdict, _ = run(node, {"a": GOOD}, tokens=tokens)
    assert verdict.reward == 2.0 + added
    assert verdict.terms["long/reward"] == added


def test_length_needs_to_know_the_tokens() -> None:
    with pytest.raises(FailedPrecondition, match="set response_tokens"):
        run(Length(A, -1.0, 0, 1.0), {"a": GOOD})


def test_nodes_nest() -> None:
    plan = Clip(Shaping(WeightedSum([1.0, 1.0], [Gate(A, B, 0.0), C]), -1.0), -2.0, 2.0)
    verdict, asked = run(plan, {"a": GOOD, "b": GOOD, "c": BAD}, turn=1)
    assert asked == ["a", "b", "c"]
    assert verdict.reward == 0.0
    assert verdict.correct


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=5))
def test_a_weighted_sum_is_the_sum_of_its_terms(pairs: list[tuple[float, float]]) -> None:
    leaves = [Leaf(str(number), None) for number in range(len(pairs))]
    verdicts = {str(number): Verdict(reward, True) for number, (_, reward) in enumerate(pairs)}
    verdict, _ = run(WeightedSum([weight for weight, _ in pairs], leaves), verdicts)
    assert verdict.reward == sum(weight * reward for weight, reward in pairs)
