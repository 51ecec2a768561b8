"""What the tiny vision-language model learns from: pictures of cards to name, and the game with pictures."""

from colorsys import hsv_to_rgb
from random import Random

from tiny.corpus import TARGET, Question, random_hand
from tiny_models.transcript import Transcript
from tiny_models.vision import Eye

from farfield_generalpoints.cards import SUITS, Hand, deal_ranks, hand_of, rank_values
from farfield_generalpoints.colours import Colour
from farfield_generalpoints.judging import Problem
from farfield_generalpoints.prompts import task
from farfield_generalpoints.table import picture

EYE = Eye(side=80, patch=10, shuffle=2, width=96, layers=3, heads=4)
HEIGHT = 64
"""Of the picture, in pixels: the smallest that the environment paints."""
DARKEST = 70
"""Most of red, green and blue in a dark ink."""
COLOURED = 0.02
"""Share of pictures in a colour between green and violet; none is red, orange or purple."""


def in_pictures(rng: Random) -> Question:
    """A hand whose cards are shown."""
    hand, faces = random_hand(rng)
    problem = Problem(hand.faces, hand.values, faces, TARGET, "compact", image=True)
    return Question(problem, f"{EYE.place} {task(problem)}", (_painted(hand, rng),))


def recognition(rng: Random) -> Transcript:
    """Four cards to name."""
    hand = hand_of(deal_ranks(rng, "uniform"), rank_values((10, 10, 10)), rng, SUITS)
    transcript = Transcript()
    transcript.add("user", f"{EYE.place} cards shown", 0.0, (_painted(hand, rng),))
    transcript.add("assistant", " ".join(hand.faces), 1.0)
    return transcript


def _painted(hand: Hand, rng: Random) -> bytes:
    ink = _coloured(rng) if rng.random() < COLOURED else _dark(rng)
    return picture(hand.faces, hand.suits, (ink,) * len(hand.faces), HEIGHT)


def _dark(rng: Random) -> Colour:
    red, green, blue = (int(rng.random() * (DARKEST + 1)) for _ in range(3))
    return red, green, blue


def _coloured(rng: Random) -> Colour:
    """A saturated colour of a hue from green (120°) over blue to violet (270°)."""
    hue, value = (120 + 150 * rng.random()) / 360, 0.35 + 0.4 * rng.random()
    red, green, blue = (round(255 * channel) for channel in hsv_to_rgb(hue, 0.9, value))
    return red, green, blue
