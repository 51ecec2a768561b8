import io
from random import Random

import pytest
from PIL import Image

from farfield_virl.city import build_city, draw_route, spot_of
from farfield_virl.looks import HOME_CITY, LOOKS
from farfield_virl.rail import RailSettings, lay
from farfield_virl.routes import place_and_side
from farfield_virl.views import city_views, grid

SIZE = 96
QUADRANTS = {"front": (0, 0), "right": (1, 0), "behind": (0, 1), "left": (1, 1)}


def stops(city: str, count: int):
    """Destinations, each with the name of the place and the side where it is."""
    found, rng = [], Random(3)
    while len(found) < count:
        route = draw_route(build_city(city), 2, rng)
        if route:
            point = lay(route, RailSettings(), rng).points[-1]
            found.append((spot_of(point.geocode), point.heading, *place_and_side(point.landmark)))
    return found


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def board_pixels(city: str, view: Image.Image, where: str) -> int:
    """Pixels in the colour of the city's sign boards, in one of the four views."""
    column, row = QUADRANTS[where]
    offset = view.width - (view.width - 1) // 2
    box = (column * offset, row * offset, column * offset + SIZE, row * offset + SIZE)
    board = LOOKS[city].sign_board
    colours = view.crop(box).getcolors(SIZE * SIZE)
    return sum(n for n, colour in colours if max(abs(x - y) for x, y in zip(colour, board, strict=True)) < 12)


@pytest.mark.parametrize("city", LOOKS)
def test_the_destination_s_sign_is_large_in_the_view_on_its_side(city):
    for spot, heading, name, where in stops(city, 2):
        shown = picture(city_views(city, spot, heading, SIZE, frozenset({name})))
        bare = picture(city_views(city, spot, heading, SIZE, frozenset()))
        added = {one: board_pixels(city, shown, one) - board_pixels(city, bare, one) for one in QUADRANTS}
        assert added.pop(where) > 100
        assert set(added.values()) == {0}


def test_signs_that_are_not_shown_leave_no_trace():
    spot, heading, name, where = stops(HOME_CITY, 1)[0]
    view = picture(city_views(HOME_CITY, spot, heading, SIZE, frozenset({"Other Place"})))
    assert board_pixels(HOME_CITY, view, where) < 20
    shown = city_views(HOME_CITY, spot, heading, SIZE, frozenset({name}))
    assert board_pixels(HOME_CITY, picture(shown), where) > 100


def test_the_same_place_is_the_same_bytes():
    city_views.cache_clear()
    first = city_views(HOME_CITY, (100.0, 120.0), 30, SIZE, None)
    city_views.cache_clear()
    assert city_views(HOME_CITY, (100.0, 120.0), 30, SIZE, None) == first


def test_cities_look_different():
    """The mean colour of the upper half tells the looks apart."""
    means = set()
    for city in LOOKS:
        spot, heading, _, _ = stops(city, 1)[0]
        view = picture(city_views(city, spot, heading, SIZE, None)).resize((2, 2)).resize((1, 1))
        means.add(tuple(channel // 16 for channel in view.getpixel((0, 0))))
    assert len(means) == len(LOOKS)


@pytest.mark.parametrize("size", [32, 64, 256, 500])
def test_sizes(size):
    view = picture(city_views(HOME_CITY, (100.0, 120.0), 30, size, None))
    line = max(1, size // 64)
    assert view.format == "PNG"
    assert view.mode == "RGB"
    assert view.size == (2 * size + line,) * 2


def test_the_order_of_the_views():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    view = picture(grid([Image.new("RGB", (40, 40), colour) for colour in colours]))
    assert [view.getpixel(at) for at in ((20, 20), (60, 20), (20, 60), (60, 60))] == colours
    assert view.getpixel((40, 10)) == (0, 0, 0)


def test_turning_round_swaps_front_and_back():
    ahead = picture(city_views(HOME_CITY, (100.0, 120.0), 0, 64, None))
    turned = picture(city_views(HOME_CITY, (100.0, 120.0), 180, 64, None))
    assert ahead.crop((0, 0, 64, 64)).tobytes() == turned.crop((0, 65, 64, 129)).tobytes()
