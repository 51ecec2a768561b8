from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_generalpoints.formula import MAX_CHARACTERS, Reading, read

ATOMS = st.integers(1, 13).map(lambda n: (str(n), Fraction(n)))


def combine(children):
    return st.tuples(children, st.sampled_from("+-*/"), children).map(bracketed)


def bracketed(parts):
    (left, a), operator, (right, b) = parts
    return f"({left}{operator}{right})", apply(operator, a, b)


def apply(operator, a, b):
    if a is None or b is None or (operator == "/" and b == 0):
        return None
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[operator]


@given(st.recursive(ATOMS, combine, max_leaves=8))
def test_value_of_bracketed_formulas(case):
    formula, expected = case
    assert read(formula) == Reading(True, read(formula).numbers, value=expected)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("2+3*4", 14),
        ("8-3-2", 3),
        ("16/4/2", 2),
        ("16/(4/2)", 8),
        ("4/(7/6-1)", 24),
        ("8 / ( 3 - 8 / 3 )", 24),
        ("((7))", 7),
        ("007", 7),
    ],
)
def test_precedence_and_exactness(formula, expected):
    assert read(formula).value == expected


@pytest.mark.parametrize("formula", ["5/0", "5/(3-3)", "1/(1/2-1/2)"])
def test_division_by_zero_has_no_value(formula):
    assert read(formula) == Reading(True, read(formula).numbers)


@pytest.mark.parametrize(
    ("formula", "faults"),
    [
        ("+3", 1),
        ("3 4", 1),
        ("3**4", 1),
        ("9**9**9", 2),
        ("3)+4", 1),
        ("()", 1),
        ("3(4)", 1),
        ("(3)4", 1),
        ("3+*/4", 2),
        ("))", 3),
        ("3--4", 1),
    ],
)
def test_syntax_faults_are_counted(formula, faults):
    reading = read(formula)
    assert (reading.legal, reading.syntax_faults, reading.value) == (True, faults, None)


@pytest.mark.parametrize(
    ("formula", "value"), [("8*(6+5-8", 24), ("((1+2)*(3", 9), ("8*", None), ("3*(", None), ("", None)]
)
def test_unfinished_formulas_have_the_value_that_closing_gives(formula, value):
    reading = read(formula)
    assert (reading.unfinished, reading.syntax_faults, reading.value) == (True, 0, value)


@pytest.mark.parametrize(
    "formula",
    ["2x3", "a+b", "٣+٤", "²", "3.5", "1e9", "__import__('os')", "1\n+2", "8×3", "1" * 10, "\x00", "{}"],
)
def test_other_characters_and_huge_numbers_are_illegal(formula):
    assert read(formula) == Reading(legal=False)


@pytest.mark.parametrize("part", ["(", "9*", "1", "((1)", "9**", "-", ")"])
@pytest.mark.timeout(60)
def test_a_formula_of_megabytes_is_illegal_and_the_longest_legal_one_is_read(part):
    assert not read(part * (1 << 20)).legal
    assert isinstance(read(part * (MAX_CHARACTERS // len(part))), Reading)


@given(st.text(alphabet="0123456789+-*/() ", max_size=40))
def test_formula_like_text_never_raises(formula):
    reading = read(formula)
    assert reading.value is None or not reading.syntax_faults


@given(st.text())
def test_text_never_raises(formula):
    read(formula)
