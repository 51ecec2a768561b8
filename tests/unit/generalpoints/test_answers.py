import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_generalpoints.answers import Answer, compose, parse, working

FORMULA = "( 10 - 4 ) * 8 / 2"


def test_composed_paper_answer_is_read_back():
    text = compose("paper", ["K", "4", "8", "2"], [10, 4, 8, 2], FORMULA, 24)
    assert json.loads(text) == {
        "cards": ["K", "4", "8", "2"],
        "number": [10, 4, 8, 2],
        "formula": "(10-4)*8/2=24",
    }
    assert parse(text, "paper") == Answer("(10-4)*8/2", ("K", "4", "8", "2"), (10, 4, 8, 2))


def test_composed_compact_answer_is_read_back():
    text = compose("compact", ["K", "4", "8", "2"], [10, 4, 8, 2], FORMULA, 24)
    assert text == "10 4 8 2 : 8 2 6 : 2 48 : ( 10 - 4 ) * 8 / 2 = 24"
    assert parse(text, "compact") == Answer(FORMULA, values=(10, 4, 8, 2))
    seen = compose("compact", ["K", "4", "8", "2"], [10, 4, 8, 2], FORMULA, 24, image=True)
    assert parse(seen, "compact", image=True) == Answer(FORMULA, ("K", "4", "8", "2"), (10, 4, 8, 2))


@pytest.mark.parametrize(
    ("values", "formula", "expected"),
    [
        ([3, 13, 9, 13], "3 * ( 9 - 13 / 13 )", [[3, 9, 1], [3, 8]]),
        ([8, 1, 5, 2], "( 8 - 5 ) * ( 2 - 1 )", [[1, 2, 3], [3, 1]]),
        ([1, 4, 6, 7], "4 / ( 7 / 6 - 1 )", []),  # a fraction
        ([3, 5, 6, 7], "( 3 - 5 ) * 6 + 7", []),  # a negative number
        ([13, 13, 2, 1], "13 * 13 + 2 + 1", []),  # a number above 99
        ([2, 3, 4, 5], "7 * 3 + 4", []),  # a number that is not there
        ([2, 3, 4, 5], "3 * 3 + 4", []),  # a number used twice
        ([2, 3, 4, 5], "2 / ( 3 - 3 ) + 4", []),
        ([2, 3, 4, 5], "2 + 3 + 4", [[4, 5, 5]]),
    ],
)
def test_working(values, formula, expected):
    assert working(values, formula) == expected


@pytest.mark.parametrize(
    "around",
    ["{}", "```json\n{}\n```", "Let me think {{aloud}}.\n{}", '{{"formula": 3}} {} {{"done": true}}'],
)
def test_paper_answer_is_found_among_other_text(around):
    text = around.format('{"formula": "8*3=24"}')
    assert parse(text, "paper") == Answer("8*3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "24",
        "8*3=24",
        "[]",
        '{"formula": 24}',
        '{"formula": ["8*3"]}',
        '{"formula": {"a": "8*3"}}',
        '{"formula": "8*3',
        "{'formula': '8*3'}",
        "null",
        '{"formula": "8*3", "number": ' + "9" * 5000 + "}",
        '{"formula": "8*3", "number": ' + "[" * 5000 + "}",
    ],
)
def test_malformed_paper_answers(text):
    assert parse(text, "paper") is None


@pytest.mark.parametrize("text", ["", "24", "8 * 3 = 24", "8 3 1 1 8 * 3"])
def test_malformed_compact_answers(text):
    assert parse(text, "compact") is None


def test_only_the_left_side_is_read():
    assert parse("1 2 3 4 : 1 + 2 = 3 = 24", "compact") == Answer("1 + 2", values=(1, 2, 3, 4))
    assert parse('{"formula": "8*3"}', "paper") == Answer("8*3")


def test_working_comes_or_stays_away_as_asked():
    hand = ["A", "4", "6", "7"], [1, 4, 6, 7], "4 / ( 7 / 6 - 1 )", 24
    *thought, answer = compose("paper", *hand, worked=True).splitlines()
    assert thought == [
        "A counts 1, 4 counts 4, 6 counts 6, 7 counts 7.",
        "7 / 6 = 7/6",
        "(7/6) - 1 = 1/6",
        "4 / (1/6) = 24",
    ]
    assert answer == compose("paper", *hand) == compose("paper", *hand, worked=False)
    short = compose("compact", ["K", "4", "8", "2"], [10, 4, 8, 2], FORMULA, 24, worked=False)
    assert short == f"10 4 8 2 : {FORMULA} = 24"


@pytest.mark.parametrize("number", ["7", "[1, 2.5]", '["K"]', "[[1]]", "[-1]"])
def test_what_is_no_list_of_numbers_names_no_values(number):
    assert parse(f'{{"formula": "8*3", "number": {number}}}', "paper") == Answer("8*3")


def test_cards_of_another_type_are_ignored():
    assert parse('{"formula": "8*3", "cards": "K"}', "paper") == Answer("8*3")


@pytest.mark.parametrize("part", ["{", "}", '{"formula":', "[", '{"a":1}', "\\", '"', ":", "= "])
@pytest.mark.parametrize("form", ["paper", "compact"])
@pytest.mark.timeout(60)
def test_megabytes_are_read_to_an_end(part, form):
    """Linear work ends in a blink; quadratic work on a million parts would meet the time limit."""
    answer = parse(part * (1 << 20), form)
    assert answer is None or isinstance(answer, Answer)


@given(st.text(), st.sampled_from(["paper", "compact"]))
def test_text_never_raises(text, form):
    parse(text, form)
