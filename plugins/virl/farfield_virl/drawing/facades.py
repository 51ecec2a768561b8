"""Draws one building: wall, side walls and roof, in perspective."""

from farfield_virl.drawing.camera import Seen, clipped
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import STOREY, Building, shaded
from farfield_virl.drawing.walls import Wall, hazy, in_sight
from farfield_virl.drawing.windows import draw_shop, draw_windows

DETAIL_METRES = 70.0
DEPTH = 8.0


def draw_building(pen: Pen, building: Building, a: Seen, b: Seen, distance: float) -> None:
    """`a` and `b` are the ends of its facade, as the camera sees them."""
    wall = Wall(a, b, distance, min(0.65, round(distance / 5) / 46))
    front = a[0] * b[1] > b[0] * a[1]
    if front and distance < DETAIL_METRES:
        _flanks(pen, building, wall)
    ends = clipped([a, b])[:2]
    if len(ends) == 2 and in_sight(*ends):
        height = building.storeys * STOREY
        colour = building.wall if front else shaded(building.wall, 0.6)
        pen.upright(ends[0], ends[1], 0, height, hazy(pen, colour, wall))
        _roof(pen, wall, building, ends)
        if front and distance < DETAIL_METRES:
            draw_windows(pen, building, wall)
            draw_shop(pen, building, wall)


def _flanks(pen: Pen, building: Building, wall: Wall) -> None:
    """The side walls, where they rise above a neighbour."""
    (ar, aa), (br, ba) = wall.a, wall.b
    whole = ((br - ar) ** 2 + (ba - aa) ** 2) ** 0.5
    back = (ba - aa) * DEPTH / whole, -(br - ar) * DEPTH / whole
    colour = hazy(pen, shaded(building.wall, 0.72), wall)
    for (right, ahead), beside in zip((wall.a, wall.b), building.neighbours, strict=True):
        if beside >= building.storeys:
            continue
        ends = clipped([(right, ahead), (right + back[0], ahead + back[1])])[:2]
        if len(ends) == 2 and in_sight(*ends):
            pen.upright(ends[0], ends[1], beside * STOREY, building.storeys * STOREY, colour)


def _roof(pen: Pen, wall: Wall, building: Building, ends: list[Seen]) -> None:
    """A cornice, a parapet or a gable on top."""
    height, look = building.storeys * STOREY, pen.look
    near, far = ends[0], ends[1]
    if look.roof == "gable":
        peak = ((near[0] + far[0]) / 2, (near[1] + far[1]) / 2)
        camera = pen.camera
        pen.canvas.polygon(
            [
                (camera.column(*near), camera.row(height, near[1])),
                (camera.column(*far), camera.row(height, far[1])),
                (camera.column(*peak), camera.row(height + 4.2, peak[1])),
            ],
            hazy(pen, look.roof_colour, wall),
        )
        return
    thick = 1.3 if look.roof == "parapet" else 0.7
    pen.upright(near, far, height - 0.2, height + thick, hazy(pen, look.roof_colour, wall))
    pen.upright(near, far, height - 0.5, height - 0.2, hazy(pen, look.trim, wall))
