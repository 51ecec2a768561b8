"""What everything is drawn with: the picture, the camera and the look of the city."""

from dataclasses import dataclass

from PIL import ImageDraw

from farfield_virl.drawing.camera import EYE, Camera, Seen
from farfield_virl.looks import Colour, Look
from farfield_virl.streets import Spot


@dataclass(frozen=True, slots=True)
class Pen:
    canvas: ImageDraw.ImageDraw
    camera: Camera
    look: Look

    def upright(self, a: Seen, b: Seen, low: float, high: float, colour: Colour) -> None:
        """A rectangle that stands on the line from `a` to `b`, between two heights; all of it ahead."""
        scale, horizon = self.camera.scale, self.camera.horizon
        unit_a, unit_b = scale / a[1], scale / b[1]
        left, right = scale + a[0] * unit_a, scale + b[0] * unit_b
        low, high = low - EYE, high - EYE
        corners = (
            (left, horizon - low * unit_a),
            (right, horizon - low * unit_b),
            (right, horizon - high * unit_b),
            (left, horizon - high * unit_a),
        )
        self.canvas.polygon(corners, colour)

    def flat(self, spots: list[Spot], colour: Colour) -> None:
        """A polygon on the ground, as far as it is ahead."""
        shape = self.camera.ground(spots)
        if len(shape) > 2:
            self.canvas.polygon(shape, colour)
