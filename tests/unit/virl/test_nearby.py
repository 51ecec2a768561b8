from random import Random

import pytest

from farfield_virl.bearings import METRES_PER_DEGREE, distance
from farfield_virl.nearby import Nearby


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 45.0, 79.0])
def test_it_finds_what_a_search_of_everything_finds(latitude):
    rng = Random(3)
    around = [(latitude + rng.random() / 500, 7 + rng.random() / 500) for _ in range(400)]
    near = Nearby(around, 25.0)
    for place in around[:40]:
        within = [one for one in around if distance(place, one) <= 25.0]
        assert near.around(place) == sorted(within, key=lambda one: distance(place, one))


def test_nothing_is_near():
    assert Nearby([(1.0, 1.0)], 25.0).around((1.0 + 26 / METRES_PER_DEGREE, 1.0)) == []
