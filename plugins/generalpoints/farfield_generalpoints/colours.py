"""What suits are painted with: black in distribution, red out of it, or colours of one's own."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from farfield_generalpoints.cards import SUITS
from farfield_sdk import Options

Colour = tuple[int, int, int]

CARD: Colour = (253, 253, 250)
BLACK: Colour = (16, 16, 20)
RED: Colour = (206, 16, 32)
LEAST_CONTRAST = 2.0
"""Between a colour and the card, 1 to 21 (WCAG 2, contrast ratio)."""

PaletteName = Literal["black", "red", "standard"]
PALETTES: Mapping[str, Mapping[str, Colour]] = {
    "black": dict.fromkeys(SUITS, BLACK),
    "red": dict.fromkeys(SUITS, RED),
    "standard": dict(zip(SUITS, (BLACK, RED, RED, BLACK), strict=True)),
}


def _colour(suit: str) -> str:
    return Field(pattern=r"^#[0-9a-fA-F]{6}$", description=f"Colour of {suit}, as #rrggbb.")


class Palette(Options):
    """Colours of one's own."""

    spades: str = _colour("spades")
    hearts: str = _colour("hearts")
    diamonds: str = _colour("diamonds")
    clubs: str = _colour("clubs")

    @field_validator("*")
    @classmethod
    def _readable(cls, value: str) -> str:
        if contrast(_parsed(value)) < LEAST_CONTRAST:
            raise ValueError(f"{value} cannot be read on a white card: choose a darker colour")
        return value

    def by_suit(self) -> dict[str, Colour]:
        named = (self.spades, self.hearts, self.diamonds, self.clubs)
        return dict(zip(SUITS, map(_parsed, named), strict=True))


def inks(colours: PaletteName | Palette, suits: tuple[str, ...]) -> tuple[Colour, ...]:
    """The colour of each card of a hand."""
    palette = PALETTES[colours] if isinstance(colours, str) else colours.by_suit()
    return tuple(palette[suit] for suit in suits)


def contrast(colour: Colour) -> float:
    """Contrast ratio of the card to a colour on it: (L₁ + 0.05) / (L₂ + 0.05)."""
    return (_luminance(CARD) + 0.05) / (_luminance(colour) + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _parsed(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue
