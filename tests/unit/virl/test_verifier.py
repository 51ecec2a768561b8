import pytest

from farfield_sdk import Attempt
from farfield_virl import VerifierOptions, Virl, VirlOptions, VirlVerifier

VERIFIER = VirlVerifier(VerifierOptions())


def attempt(response, facts, turn, state="continue"):
    return VERIFIER.verify(Attempt(response, facts, turn, state=state))


def test_facts_from_before_and_from_after_a_step_give_the_same_verdict():
    game = Virl(VirlOptions())
    before, turn = game.reset(3).facts, 0
    for response in ("no idea", game.oracle()):
        outcome = game.step(response)
        verdicts = [attempt(response, facts, turn) for facts in (before, outcome.facts)]
        assert verdicts[0] == verdicts[1]
        assert verdicts[0].correct == (turn == 1)
        before, turn = outcome.facts, turn + 1


def test_facts_of_another_turn_are_an_error_and_no_verdict():
    facts = Virl(VirlOptions()).reset(3).facts
    with pytest.raises(ValueError, match="not of turn 4"):
        attempt("no idea", facts, 4)


def test_verdicts():
    game = Virl(VirlOptions())
    facts = game.reset(3).facts
    right = attempt(game.oracle(), facts, 0)
    assert (right.reward, right.correct, right.feedback, right.terms) == (1.0, True, "", {"correct": 1.0})
    wrong = attempt(game.oracle().replace(facts["targets"][0]["action"], "stop()"), facts, 0)
    assert (wrong.reward, wrong.correct, wrong.parseable) == (-1.0, False, True)
    assert "wrong here" in wrong.feedback
    spent = attempt("no idea", facts, 0, state="truncated")
    assert (spent.reward, spent.parseable) == (-2.0, False)
    assert spent.terms == {"malformed": -1.0, "budget": -1.0}


def test_outcome_rewards():
    game = Virl(VirlOptions())
    facts = game.reset(3).facts
    judge = VirlVerifier(VerifierOptions(rewards="outcome"))
    assert judge.verify(Attempt(game.oracle(), facts)).reward == 1
    assert judge.verify(Attempt("no idea", facts)).reward == 0


def test_feedback_does_not_tell_the_answer():
    game = Virl(VirlOptions())
    for seed in range(20):
        facts = game.reset(seed).facts
        action = facts["targets"][0]["action"]
        for response in (
            "",
            game.oracle().replace(action, "forward()"),
            game.oracle().replace(action, "jump()"),
        ):
            assert action not in attempt(response, facts, 0).feedback
