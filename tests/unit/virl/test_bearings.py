import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_virl.bearings import bearing, between, compass, distance, side, wrapped


def test_distance_and_bearing():
    assert distance((0, 0), (0, 1)) == pytest.approx(111_195, rel=1e-4)
    assert distance((60, 0), (60, 1)) == pytest.approx(55_597, rel=1e-3)
    assert bearing((0, 0), (1, 0)) == pytest.approx(0)
    assert bearing((0, 0), (0, -1)) == pytest.approx(270)


def test_between():
    assert between((0, 0), (10, 20), 0.5) == (5, 10)
    assert between((1, 2), (3, 4), 1) == (3, 4)


@pytest.mark.parametrize(
    ("heading", "name"), [(0, "north"), (359, "north"), (23, "northeast"), (212, "southwest")]
)
def test_compass(heading, name):
    assert compass(heading) == name


@pytest.mark.parametrize(
    ("heading", "target", "where"),
    [(90, 90, "front"), (90, 0, "left"), (350, 80, "right"), (180, 0, "behind"), (0, 315, "left front")],
)
def test_sides(heading, target, where):
    assert side(heading, target) == where


@given(st.floats(-1e4, 1e4))
def test_wrapped_is_the_same_angle_in_one_turn(angle):
    assert -180 <= wrapped(angle) < 180
    assert (wrapped(angle) - angle) % 360 == pytest.approx(0, abs=1e-6) or (
        wrapped(angle) - angle
    ) % 360 > 359.9
