import pytest

from farfield_generalpoints import GeneralPointsVerifier, VerifierOptions
from farfield_sdk import Attempt

FACTS = {
    "cards": ["5", "6", "8", "8"],
    "values": [5, 6, 8, 8],
    "faces": [10, 10, 10],
    "target": 24,
    "prompt": "compact",
}

TABLE = [
    # formula, paper, reference
    ("8*(6+5-8)", 5, 5),  # solved
    ("8*(6+5-8", -3, 1),  # unfinished, the beginning of a solution
    ("8*(6+5+8", -3, -1),  # unfinished, no such thing
    ("5+6+8+8", -1, -1),  # wrong value
    ("5/(8-8)*6", -1, -1),  # no value at all
    ("5+6+8+7", -2, -4),  # a number that is not on the cards, and so a card unused
    ("5+6+8+8+8", -2, -2),  # a number used too often
    ("9+5+6+8+8+8", -2, -2),  # both: one penalty of the two
    ("5+6+8", -2, -2),  # a card unused
    ("8*(6+5", -3, -2),  # unfinished and a card unused
    ("5+6+8+8!", -3, -3),  # an illegal character is judged at once
    ("5+6!", -3, -3),
    ("5+*6+8+8", -3, -3),  # a bad sequence
    ("5+*6+8+/8", -3, -6),  # two of them
    ("5+6+8+8)", -3, -3),  # an unmatched parenthesis
    ("5+*6)+9", -3, -10),  # everything adds up: 3 + 3 + 2 + 2
]


def verify(formula: str, rewards: str, state: str = "continue"):
    response = f"5 6 8 8 : {formula} = 24"
    return GeneralPointsVerifier(VerifierOptions(rewards=rewards)).verify(
        Attempt(response, FACTS, state=state)
    )


@pytest.mark.parametrize(("formula", "paper", "reference"), TABLE)
def test_every_row(formula, paper, reference):
    assert verify(formula, "paper").reward == paper
    assert verify(formula, "reference").reward == reference
    assert verify(formula, "outcome").reward == (1 if paper == 5 else 0)


@pytest.mark.parametrize(("formula", "paper", "reference"), TABLE[1:])
def test_a_spent_budget_costs_one_more(formula, paper, reference):
    assert verify(formula, "paper", "truncated").reward == paper - 1
    assert verify(formula, "reference", "truncated").terms["budget"] == -1
    assert verify(formula, "reference", "truncated").reward == reference - 1
    assert verify(formula, "outcome", "truncated").reward == 0


@pytest.mark.parametrize("rewards", ["paper", "reference"])
def test_misread_cards(rewards):
    facts = {**FACTS, "prompt": "paper", "image": True}
    response = '{"cards": ["5", "6", "8", "9"], "number": [5, 6, 8, 8], "formula": "8*(6+5-8)=24"}'
    verdict = GeneralPointsVerifier(VerifierOptions(rewards=rewards)).verify(Attempt(response, facts))
    assert verdict.terms == {"misread": -1.5, "recognition": 0}
    assert verdict.reward == -1.5


@pytest.mark.parametrize("response", ["", "24", "8*(6+5-8)=24", "{}", "9" * 100_000])
def test_malformed_answers_never_earn(response):
    for rewards, expected in (("paper", -3), ("reference", -3), ("outcome", 0)):
        verdict = GeneralPointsVerifier(VerifierOptions(rewards=rewards)).verify(Attempt(response, FACTS))
        assert (verdict.reward, verdict.correct, verdict.parseable) == (expected, False, False)


def test_terms_name_the_parts_of_the_reward():
    assert verify("5+*6)+9", "reference").terms == {"syntax": -6, "foreign": -2, "unused": -2}
    assert verify("5+*6)+9", "paper").terms == {"syntax": -3}
    assert verify("8*(6+5-8)", "outcome").terms == {"solved": 1}
