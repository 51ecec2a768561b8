import math

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from sample_games import SPACES

from farfield_gymnasium.adapter.spaces import Illegal, asked_for, plain, read, said, unsayable

SAYABLE = {name: space for name, space in SPACES.items() if name != "sequence"}


@pytest.mark.parametrize("name", SAYABLE)
def test_what_is_said_of_a_value_is_read_as_that_value(name):
    space = SAYABLE[name]
    assert unsayable(space) == ""
    space.seed(1)
    for _ in range(20):
        value = space.sample()
        again = read(space, said(value), ())
        assert again in space
        assert plain(again) == plain(value)


@pytest.mark.parametrize("name", SAYABLE)
@given(text=st.text() | st.sampled_from(["[1, 2", "{}", "[]", "[[0]]", "NaN", "[1e999, 0]", "true", "null"]))
def test_any_other_text_is_illegal_and_nothing_else(name, text):
    space = SAYABLE[name]
    try:
        assert read(space, text, ()) in space
    except Illegal as illegal:
        assert str(illegal).endswith(f"is not {asked_for(space, ())}")  # noqa: PT017


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("discrete", "8"),
        ("discrete", "5.0"),
        ("discrete", "true"),
        ("text", "abcd" * 2),
        ("text", "x"),
        ("multi-discrete", "[1, 3]"),
        ("multi-discrete", "[0.5, 1]"),
        ("multi-discrete", "[[0, 1]]"),
        ("multi-binary", "[0, 1, 2]"),
        ("box", "[0, 1.5]"),
        ("box", "[0, Infinity]"),
        ("box", '["0", "1"]'),
        ("whole-box", "[0, 256]"),
        ("whole-box", "[0, 1.5]"),
        ("tuple", "[0]"),
        ("dict", '{"move": 1}'),
        ("dict", '{"move": 1, "say": 3}'),
        ("box", "[" * 100_000),
        ("discrete", "9" * 100_000),
    ],
)
def test_actions_that_are_none(name, text):
    with pytest.raises(Illegal, match=" is not "):
        read(SPACES[name], text, ())


def test_names_stand_for_discrete_actions():
    space, names = SPACES["discrete"], ("up", "down", "stay")
    assert [read(space, text, names) for text in ("up", "STAY", "6")] == [5, 7, 6]
    with pytest.raises(Illegal, match="'left' is not one of up, down, stay"):
        read(space, "left", names)


def test_what_cannot_be_said():
    assert unsayable(SPACES["sequence"]) == "a Sequence"
    assert unsayable(spaces.Box(0, 1, (65,))) == "a Box of 65 numbers, more than 64"
    assert unsayable(spaces.Tuple((spaces.Discrete(2), spaces.Graph(spaces.Discrete(2), None)))) == "a Graph"
    assert unsayable(spaces.Dict({"a": spaces.Box(0, 1, (9, 9))})) == "a Box of 81 numbers, more than 64"


def test_numbers_are_told_shortly():
    assert said(np.array([math.pi, 1e-7], np.float32)) == "[3.142, 1e-07]"
    assert said((np.int64(3), {"a": np.bool_(True)})) == '[3, {"a": true}]'
