"""Draws what lines the pavement: trees, palms, firs or lamps."""

from farfield_virl.drawing.camera import Seen
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import mixed
from farfield_virl.looks import Colour
from farfield_virl.streets import Spot

_BLOBS = {"tree": ((-0.5, -0.6, 1.0), (0.5, -0.4, 1.05), (0.0, 0.4, 1.0)), "lamp": ((0.0, -1.0, 0.4),)}
"""Ovals: to the right, above the top, radius; in metres."""
_FRONDS = ((-1.6, -0.5), (1.6, -0.5), (-1.3, 0.7), (1.3, 0.7), (0.0, 1.1))
_TIERS = ((1.2, 1.5), (2.6, 1.2), (4.0, 0.8))


def draw_green(pen: Pen, spot: Spot, seen: Seen) -> None:
    """One of the city's kind, as tall as its spot says."""
    camera, look = pen.camera, pen.look
    right, ahead = seen
    haze = min(0.5, round(ahead / 5) / 32)
    leaves, trunk = (mixed(one, look.sky[1], haze) for one in (look.leaves, (92, 74, 58)))
    x, unit = camera.column(right, ahead), camera.scale / ahead
    tall = 4.4 + 1.4 * (abs(spot[0] * 7 + spot[1] * 3) % 1)
    top = camera.row(tall - 1.2, ahead)
    pen.canvas.line([(x, camera.row(0, ahead)), (x, top)], trunk, max(1, round(0.24 * unit)))
    if look.greenery == "palm":
        for dx, dy in _FRONDS:
            pen.canvas.line([(x, top), (x + dx * unit, top - dy * unit)], leaves, max(1, round(0.4 * unit)))
    elif look.greenery == "fir":
        _tiers(pen, x, unit, ahead, leaves)
    else:
        _blobs(pen, x, camera.row(tall, ahead), unit, leaves)


def _tiers(pen: Pen, x: float, unit: float, ahead: float, leaves: Colour) -> None:
    for low, wide in _TIERS:
        y = pen.camera.row(low, ahead)
        pen.canvas.polygon([(x - wide * unit, y), (x + wide * unit, y), (x, y - 2.0 * unit)], leaves)


def _blobs(pen: Pen, x: float, y: float, unit: float, leaves: Colour) -> None:
    for dx, dy, radius in _BLOBS[pen.look.greenery]:
        cx, cy, r = x + dx * unit, y - dy * unit, radius * unit
        pen.canvas.ellipse((cx - r, cy - r, cx + r, cy + r), leaves)
