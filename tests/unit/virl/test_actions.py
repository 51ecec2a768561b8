import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_virl.actions import ACTIONS, relative_turn


@pytest.mark.parametrize(
    ("heading", "target", "wrapped", "reference"),
    [
        (0, 90, "right", "right"),
        (90, 0, "left", "left"),
        (0, 45, "slightly right", "slightly right"),
        (0, 46, "right", "right"),
        (90, 45, "slightly left", "slightly left"),
        (10, 10, "slightly left", "slightly left"),
        (350, 10, "slightly right", "left"),
        (10, 350, "slightly left", "right"),
        (300, 20, "right", "left"),
        (90, 298, "left", "right"),
    ],
)
def test_turns(heading, target, wrapped, reference):
    assert relative_turn(heading, target, "wrapped") == wrapped
    assert relative_turn(heading, target, "reference") == reference


@given(st.integers(0, 359), st.integers(-179, 179).filter(bool))
def test_wrapped_turns_depend_on_the_change_alone(heading, change):
    turn = relative_turn(heading, (heading + change) % 360, "wrapped")
    assert turn.endswith("left" if change < 0 else "right")
    assert turn.startswith("slightly") == (abs(change) <= 45)


def test_the_action_spaces():
    assert len(ACTIONS["absolute"]) == 10
    assert len(ACTIONS["relative"]) == 6
    assert set(ACTIONS["absolute"]) & set(ACTIONS["relative"]) == {"forward()", "stop()"}
