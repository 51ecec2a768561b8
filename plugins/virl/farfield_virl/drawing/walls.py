"""A wall as the camera sees it."""

from dataclasses import dataclass

from farfield_virl.drawing.camera import Seen
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import mixed
from farfield_virl.looks import Colour


@dataclass(frozen=True, slots=True)
class Wall:
    """A facade as seen: its two ends, how far it is, and the share of haze in its colours."""

    a: Seen
    b: Seen
    distance: float
    haze: float

    def at(self, share: float) -> Seen:
        return (
            self.a[0] + share * (self.b[0] - self.a[0]),
            self.a[1] + share * (self.b[1] - self.a[1]),
        )


def hazy(pen: Pen, colour: Colour, wall: Wall) -> Colour:
    return mixed(colour, pen.look.sky[1], wall.haze)


def in_sight(near: Seen, far: Seen) -> bool:
    """Whether some of it is within 45° to either side."""
    return not (near[0] < -near[1] and far[0] < -far[1]) and not (near[0] > near[1] and far[0] > far[1])
