import io
from itertools import product

import pytest
from PIL import Image

from farfield_generalpoints import table
from farfield_generalpoints.cards import FACES, SUITS
from farfield_generalpoints.colours import BLACK, CARD, PALETTES, RED, inks
from farfield_generalpoints.table import picture

HAND = (("A", "10", "Q", "K"), SUITS)
SIZES = [64, 240, 1200]


def drawn(faces=HAND[0], suits=HAND[1], colours="black", height=64) -> bytes:
    return picture(faces, suits, inks(colours, suits), height)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def inked(data: bytes, ink) -> list[bool]:
    """Which pixels have wholly the colour of the ink."""
    image = opened(data)
    return [pixel == ink for pixel in zip(*[iter(image.tobytes())] * 3, strict=True)]


@pytest.mark.parametrize("height", SIZES)
def test_sizes(height):
    image = opened(drawn(height=height))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (height * 5 // 2, height))
    assert image.info == {}


@pytest.mark.parametrize("height", SIZES)
def test_the_same_hand_is_the_same_bytes(height):
    first = drawn(height=height)
    for remembered in (table.picture, table._blank, table._marks):
        remembered.cache_clear()
    assert drawn(height=height) == first


@pytest.mark.parametrize("height", [64, 240])
def test_black_and_red_differ_in_colour_alone(height):
    black, red = drawn(colours="black", height=height), drawn(colours="red", height=height)
    assert black != red
    assert inked(black, BLACK) == inked(red, RED)
    assert inked(black, CARD) == inked(red, CARD)


def test_the_standard_palette_paints_each_suit_its_own_colour():
    assert inks("standard", SUITS) == (BLACK, RED, RED, BLACK)
    assert any(inked(drawn(colours="standard"), BLACK))
    assert any(inked(drawn(colours="standard"), RED))


def test_every_card_looks_different_even_when_smallest():
    """By many pixels of full ink; spades and clubs, both black, are the nearest."""
    looks = {
        (face, suit): inked(drawn((face,) * 4, (suit,) * 4), BLACK) for face, suit in product(FACES, SUITS)
    }
    for one, other in product(looks, repeat=2):
        if one < other:
            different = sum(a != b for a, b in zip(looks[one], looks[other], strict=True))
            assert different / 4 > 25, (one, other, different / 4)


def test_hands_in_another_order_are_another_picture():
    faces, suits = HAND
    assert len({drawn(faces[i:] + faces[:i]) for i in range(4)}) == 4
    assert len({drawn(faces, suits[i:] + suits[:i]) for i in range(4)}) == 4


@pytest.mark.parametrize("height", [64, 240])
def test_ink_stays_on_its_card(height):
    """Beyond an ink's card nothing has its colour: rank and suit are not cut off and not over the edge."""
    for face, suit in (*((face, "♠") for face in FACES), *(("A", suit) for suit in SUITS)):
        colours = (RED, *inks("black", SUITS[1:]))
        image = opened(picture((face, "A", "A", "A"), (suit, *SUITS[1:]), colours, height))
        where = Image.eval(image.split()[0], lambda red: 255 if red > 150 else 0)
        green = Image.eval(image.split()[1], lambda level: 255 if level < 60 else 0)
        red = Image.composite(where, Image.new("L", image.size), green)
        left, top, right, bottom = red.getbbox()
        card = (0.04 + 0.03) * height, 0.09 * height, (0.04 + 0.575 - 0.03) * height, 0.92 * height
        assert card[0] < left < right < card[2]
        assert card[1] < top < bottom < card[3]


def test_palettes_name_every_suit():
    assert all(set(palette) == set(SUITS) for palette in PALETTES.values())
