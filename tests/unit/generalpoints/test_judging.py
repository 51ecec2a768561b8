from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_generalpoints.answers import parse
from farfield_generalpoints.judging import Fault, Problem, judge, measures

HAND = Problem(("5", "6", "8", "8"), (5, 6, 8, 8), (10, 10, 10), 24, "compact")


def faults(formula: str, problem: Problem = HAND) -> list[str]:
    return [fault.value for fault in judge(problem, f"5 6 8 8 : {formula}")]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("8*(6+5-8)", []),
        ("8*(6+5-8", ["promising"]),
        ("((8*(6+5-8)", ["promising"]),
        ("8*(6+5+8", ["unfinished"]),
        ("8*6+5-8*", ["unfinished"]),
        ("8*(6+5", ["unused", "unfinished"]),
        ("5+6+8+8", ["value"]),
        ("5/(6-6)", ["foreign", "unused"]),
        ("8+6+5*(8-8)", ["foreign"]),
        ("8*3", ["foreign", "unused"]),
        ("8+8+8", ["foreign", "unused"]),
        ("8+8", ["unused"]),
        ("", ["unused", "unfinished"]),
        ("5+6+8x8", ["character"]),
        ("5 6 8 8", ["syntax", "syntax", "syntax"]),
        ("5++6)+8*8", ["syntax", "syntax"]),
        ("5**6*8", ["syntax", "unused"]),
    ],
)
def test_what_is_wrong(formula, expected):
    assert faults(formula) == expected


def test_exact_where_floating_point_fails():
    hand = Problem(("A", "4", "6", "7"), (1, 4, 6, 7), (10, 10, 10), 24, "compact")
    assert judge(hand, "1 4 6 7 : 4/(7/6-1) = 24") == ()
    assert 4 / (7 / 6 - 1) != 24


def test_what_is_not_an_answer_is_malformed():
    assert judge(HAND, "I give up") == (Fault.MALFORMED,)


def test_cards_in_an_image_must_be_read_first():
    shown = Problem(("5", "6", "8", "K"), (5, 6, 8, 10), (10, 10, 10), 24, "paper", image=True)
    wrong = '{"cards": ["5", "6", "8", "Q"], "formula": "1"}'
    assert judge(shown, wrong) == (Fault.MISREAD,)
    right = '{"cards": ["K", "6", "8", "5"], "formula": "(10-6)*(8-5)"}'
    assert judge(shown, right) == (Fault.VALUE,)


@pytest.mark.parametrize(
    ("response", "reads", "builds"),
    [
        ("5 6 8 8 : 8 * ( 6 + 5 - 8 ) = 24", 1, 1),
        ("8 8 6 5 : 5 + 6 + 8 + 8 = 24", 1, 0),
        ("5 6 8 11 : 11 + 8 + 5 = 24", 0, 0),
        ("5 6 8 5 : 5 + 6 + 8 + 5 = 24", 0, 1),
        ("24 : 24 = 24", 0, 0),
        ("8 8 8 : 8 + 8 + 8 = 24", 0, 0),
        ("5 6 8 4 1 : 5 + 6 + 8 + 4 + 1 = 24", 0, 0),
    ],
)
def test_reading_the_rule_and_building_the_formula_are_measured_apart(response, reads, builds):
    answer = parse(response, "compact")
    found = measures(HAND, answer, judge(HAND, response))
    assert found == {"reads_rule": reads, "builds_formula": builds}


def test_an_answer_that_names_no_values_has_no_measures():
    paper = replace(HAND, form="paper")
    for response in ('{"formula": "8*(6+5-8)"}', "I give up"):
        assert measures(paper, parse(response, "paper"), ()) == {}


def test_problem_comes_from_facts_and_needs_them():
    facts = {"cards": ["5"], "values": [5.0], "faces": [11, 12, 13], "target": 24.0, "prompt": "paper"}
    assert Problem.from_facts(facts) == Problem(("5",), (5,), (11, 12, 13), 24, "paper")
    with pytest.raises(KeyError):
        Problem.from_facts({})


@given(st.text(), st.sampled_from(["paper", "compact"]))
def test_arbitrary_text_never_solves(text, form):
    assert judge(Problem(("5", "6", "8", "8"), (5, 6, 8, 8), (10, 10, 10), 24, form), text)
