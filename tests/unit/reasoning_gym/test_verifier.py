from dataclasses import asdict

import pytest

from farfield_reasoning_gym import ReasoningGymVerifier, VerifierOptions
from farfield_reasoning_gym.children import LibraryError
from farfield_reasoning_gym.tasks import LIBRARY
from farfield_sdk import Attempt, State

CHEATS = {
    "string_insertion": "list(entry['answer'])",
    "spiral_matrix": "entry['answer'].split()",
    "binary_matrix": "entry['metadata']['solution']",
    "n_queens": "entry['metadata']['solution']",
    "simple_integration": "Integral({integrand}, {variable})",
    "polynomial_multiplication": "expand({polynomial_expr})",
    "countdown": "{target} + 0*len('''{numbers}''')",
}


def judge(facts, response, **options):
    verifier = ReasoningGymVerifier(VerifierOptions(**options))
    return verifier.verify(Attempt(response=response, facts=facts))


def test_the_solution_is_correct(make):
    game = make(dataset="word_sorting")
    verdict = judge(game.reset(1).facts, game.oracle())
    assert (verdict.reward, verdict.correct, verdict.feedback) == (1.0, True, "")
    assert verdict.terms == {"score": 1.0}


def test_partial_credit_is_the_librarys(make):
    game = make(dataset="chain_sum")
    facts = game.reset(1).facts
    answer = facts["entry"]["answer"]
    verdict = judge(facts, f"<answer>{answer} or so</answer>")
    assert 0 < verdict.reward == verdict.terms["score"] < 1
    assert not verdict.correct
    assert f"It scores {verdict.reward:.2f} of 1." in verdict.feedback
    assert judge(facts, f"<answer>{answer} or so</answer>", rewards="outcome").reward == 0
    assert answer not in verdict.feedback


def test_blind_feedback_is_the_same_whatever_the_attempt(make):
    game = make(dataset="chain_sum", revision="blind", max_turns=2)
    facts = game.reset(1).facts
    verdicts = [judge(facts, response) for response in (game.oracle(), "no idea", "<answer>7</answer>")]
    assert [verdict.correct for verdict in verdicts] == [True, False, False]
    assert len({verdict.feedback for verdict in verdicts}) == 1


@pytest.mark.parametrize("response", ["", "  ", "42", "<answer>", "</answer>4<answer>", "<answer> </answer>"])
def test_a_response_without_an_answer_earns_nothing(make, response):
    """The scorer of countdown gives 0.01 for anything."""
    facts = make(dataset="countdown").reset(1).facts
    verdict = judge(facts, response)
    assert (verdict.reward, verdict.correct, verdict.parseable) == (0, False, False)
    assert verdict.feedback.startswith("There is no answer in your response.")


@pytest.mark.parametrize("dataset", CHEATS)
def test_an_answer_is_read_and_never_run(make, dataset):
    facts = make(dataset=dataset).reset(4).facts
    cheat = CHEATS[dataset].format_map(facts["entry"]["metadata"])
    assert judge(facts, f"<answer>{cheat}</answer>").reward <= 0.05
    assert judge(facts, f"<answer>{facts['entry']['answer']}</answer>").correct


def test_a_scorer_that_raises_is_an_error(make):
    game = make(dataset="caesar_cipher", max_turns=2)
    facts = game.reset(1).facts
    del facts["entry"]["answer"]
    with pytest.raises(LibraryError, match="KeyError"):
        judge(facts, "<answer>x</answer>")
    outcome = game.step("<answer>x</answer>")
    assert (outcome.state, outcome.success) == (State.CONTINUE, False)
    assert outcome.metrics == {"scorer_failed": 1.0}


def test_a_scorer_that_hangs_is_an_error_and_hurts_no_other(make):
    game = make(dataset="countdown")
    facts = game.reset(1).facts
    with pytest.raises(LibraryError, match=r"no answer within 0\.5 seconds of computing"):
        LIBRARY.ask("score", asdict(game.options.task), "9**9**9**9", facts["entry"], seconds=0.5)
    assert judge(facts, game.oracle()).correct
