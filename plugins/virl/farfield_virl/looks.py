"""What cities look like: one look for training, others to be tested on."""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
CityName = Literal["brickton", "solana", "nordby", "lumen", "verdance"]


@dataclass(frozen=True)
class Look:
    """Colours and styles of one city."""

    sky: tuple[Colour, Colour]
    """Above, and at the horizon."""
    clouds: Colour | None
    stars: bool
    pavement: Colour
    road: Colour
    lines: Colour
    facades: tuple[Colour, ...]
    trim: Colour
    panes: tuple[Colour, ...]
    awnings: tuple[Colour, ...]
    storeys: tuple[int, int]
    windows: Literal["sash", "tall", "strip", "small"]
    roof: Literal["flat", "gable", "parapet"]
    roof_colour: Colour
    greenery: Literal["tree", "palm", "fir", "lamp"]
    leaves: Colour
    sign: Literal["plate", "pill", "pennant", "neon", "slab"]
    sign_board: Colour
    sign_text: Colour
    sign_edge: Colour


LOOKS: dict[str, Look] = {
    "brickton": Look(
        sky=((96, 156, 220), (214, 232, 246)),
        clouds=(246, 250, 253),
        stars=False,
        pavement=(176, 174, 168),
        road=(84, 86, 92),
        lines=(240, 226, 150),
        facades=((158, 82, 62), (138, 70, 58), (176, 108, 80), (122, 88, 74), (168, 96, 64)),
        trim=(226, 214, 196),
        panes=((66, 88, 112), (84, 108, 130), (52, 70, 92)),
        awnings=((40, 98, 74), (156, 44, 40), (38, 62, 116)),
        storeys=(3, 7),
        windows="sash",
        roof="flat",
        roof_colour=(98, 74, 64),
        greenery="tree",
        leaves=(78, 128, 64),
        sign="plate",
        sign_board=(20, 92, 58),
        sign_text=(255, 255, 255),
        sign_edge=(255, 255, 255),
    ),
    "solana": Look(
        sky=((236, 120, 92), (255, 214, 150)),
        clouds=(255, 186, 150),
        stars=False,
        pavement=(206, 182, 152),
        road=(140, 118, 104),
        lines=(250, 240, 220),
        facades=((240, 206, 150), (232, 170, 120), (246, 224, 190), (214, 140, 104), (238, 190, 170)),
        trim=(252, 240, 222),
        panes=((92, 72, 78), (120, 88, 86)),
        awnings=((42, 140, 150), (200, 70, 60), (240, 170, 60)),
        storeys=(2, 4),
        windows="tall",
        roof="parapet",
        roof_colour=(176, 84, 58),
        greenery="palm",
        leaves=(70, 120, 62),
        sign="pill",
        sign_board=(255, 246, 224),
        sign_text=(150, 40, 34),
        sign_edge=(190, 70, 50),
    ),
    "nordby": Look(
        sky=((176, 188, 198), (226, 230, 232)),
        clouds=(208, 214, 218),
        stars=False,
        pavement=(196, 202, 206),
        road=(116, 122, 128),
        lines=(250, 250, 250),
        facades=((190, 60, 56), (226, 182, 72), (88, 132, 164), (236, 232, 220), (104, 146, 112)),
        trim=(250, 250, 246),
        panes=((54, 66, 78), (70, 84, 96)),
        awnings=((230, 230, 230), (60, 80, 110)),
        storeys=(2, 4),
        windows="small",
        roof="gable",
        roof_colour=(70, 66, 70),
        greenery="fir",
        leaves=(44, 84, 66),
        sign="slab",
        sign_board=(24, 56, 120),
        sign_text=(255, 224, 90),
        sign_edge=(255, 224, 90),
    ),
    "lumen": Look(
        sky=((8, 10, 34), (46, 32, 84)),
        clouds=None,
        stars=True,
        pavement=(52, 52, 70),
        road=(28, 28, 40),
        lines=(130, 220, 230),
        facades=((40, 44, 72), (52, 44, 80), (34, 56, 78), (62, 50, 70)),
        trim=(90, 92, 130),
        panes=((255, 214, 120), (40, 46, 70), (250, 236, 180), (36, 42, 66), (120, 220, 230)),
        awnings=((230, 60, 140), (60, 200, 210), (240, 180, 60)),
        storeys=(5, 13),
        windows="strip",
        roof="flat",
        roof_colour=(30, 30, 50),
        greenery="lamp",
        leaves=(255, 230, 160),
        sign="neon",
        sign_board=(16, 8, 32),
        sign_text=(255, 110, 200),
        sign_edge=(90, 240, 250),
    ),
    "verdance": Look(
        sky=((70, 190, 200), (206, 244, 232)),
        clouds=(236, 252, 248),
        stars=False,
        pavement=(214, 220, 200),
        road=(150, 156, 150),
        lines=(255, 255, 255),
        facades=((236, 240, 236), (214, 228, 220), (196, 216, 206), (226, 222, 206)),
        trim=(150, 190, 150),
        panes=((120, 186, 200), (150, 206, 214), (100, 160, 180)),
        awnings=((110, 180, 110), (240, 200, 90)),
        storeys=(4, 9),
        windows="strip",
        roof="parapet",
        roof_colour=(110, 170, 110),
        greenery="tree",
        leaves=(60, 160, 80),
        sign="pennant",
        sign_board=(250, 190, 40),
        sign_text=(40, 40, 40),
        sign_edge=(40, 40, 40),
    ),
}
HOME_CITY: CityName = "brickton"
OTHER_CITIES: tuple[CityName, ...] = ("solana", "nordby", "lumen", "verdance")
