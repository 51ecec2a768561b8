import pytest

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions, GeneralPointsVerifier, VerifierOptions
from farfield_sdk import Attempt

FACTS = {
    "cards": ["5", "6", "8", "8"],
    "values": [5, 6, 8, 8],
    "faces": [10, 10, 10],
    "target": 24,
    "prompt": "compact",
}
VERIFIER = GeneralPointsVerifier(VerifierOptions())


def test_a_right_answer_needs_no_feedback():
    verdict = VERIFIER.verify(Attempt("5 6 8 8 : 8 * ( 6 + 5 - 8 ) = 24", FACTS))
    assert (verdict.correct, verdict.feedback, verdict.parseable) == (True, "", True)


def test_feedback_is_in_the_form_of_the_prompt():
    compact = VERIFIER.verify(Attempt("5 6 8 8 : 5 + 6 + 8 + 8 = 24", FACTS))
    assert compact.feedback == "wrong value target 24 J 10 Q 10 K 10 cards 5 6 8 8"
    paper = VERIFIER.verify(Attempt('{"formula": "5+6+8+8=24"}', {**FACTS, "prompt": "paper"}))
    assert paper.feedback == "Your formula is not worth 24. Try again, in the same form."


@pytest.mark.parametrize("form", ["paper", "compact"])
def test_blind_feedback_is_the_same_whatever_the_attempt(form):
    game = GeneralPoints(GeneralPointsOptions(prompt=form, revision="blind"))
    facts = game.reset(1).facts
    attempts = [game.oracle(), "no idea", game.oracle().replace("+", "-")]
    verdicts = [VERIFIER.verify(Attempt(response, facts)) for response in attempts]
    assert [verdict.correct for verdict in verdicts[:2]] == [True, False]
    (said,) = {verdict.feedback for verdict in verdicts}
    assert said


def test_missing_facts_are_an_error_and_no_verdict():
    with pytest.raises(KeyError):
        VERIFIER.verify(Attempt("5 6 8 8 : 8 * 3 = 24", {}))


@pytest.mark.parametrize("rewards", ["paper", "reference", "outcome"])
@pytest.mark.parametrize("form", ["paper", "compact"])
def test_the_oracle_earns_the_most(rewards, form):
    session = GeneralPoints(GeneralPointsOptions(prompt=form, faces="rank", deal="face"))
    verifier = GeneralPointsVerifier(VerifierOptions(rewards=rewards))
    for seed in range(20):
        facts = session.reset(seed).facts
        verdict = verifier.verify(Attempt(session.oracle(), facts))
        assert verdict.correct
        assert verdict.reward == (1 if rewards == "outcome" else 5)
