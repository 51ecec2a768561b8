import pytest

LONG = 1990
"""Characters: a matcher that tries two ways at each would never end."""


@pytest.fixture(scope="module")
def guards():
    from farfield_reasoning_gym import guards  # imports the library

    return guards


@pytest.mark.parametrize("unit", ["1", "1.", ".5", "1.5 ", "1.5+", "x ", "x1", "sin ", "sinh", " ", "("])
@pytest.mark.parametrize("end", ["= total", "!", "_"])
def test_a_long_text_that_is_no_formula_is_refused_at_once(guards, unit, end):
    with pytest.raises(ValueError, match="no plain formula"):
        guards.formula(unit * (LONG // len(unit)) + end)


@pytest.mark.parametrize("text", ["12.50*x - .5/3.", "2 sinh(x)^2", "1" * LONG, "1.5 " * (LONG // 4), ""])
def test_plain_formulas(guards, text):
    assert guards.FORMULA.fullmatch(text)


@pytest.mark.parametrize(
    "text", ["x.n", "(x).n", "x1", "xy", "1e5", "__x", "Integral(x)", "1.2.3", "[1]", "x=1"]
)
def test_what_is_no_plain_formula(guards, text):
    assert not guards.FORMULA.fullmatch(text)
