"""Where things are: distances, bearings, compass directions and sides, on geocodes (latitude, longitude)."""

from math import asin, atan2, cos, degrees, hypot, pi, radians, sin, sqrt

Geocode = tuple[float, float]
"""Latitude and longitude in degrees."""

EARTH_RADIUS = 6_371_008.8
METRES_PER_DEGREE = EARTH_RADIUS * pi / 180

COMPASS = ("north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest")
SIDES = ("front", "right front", "right", "right behind", "behind", "left behind", "left", "left front")


def distance(a: Geocode, b: Geocode) -> float:
    """Metres along the great circle (haversine)."""
    half_lat, half_lng = radians(b[0] - a[0]) / 2, radians(b[1] - a[1]) / 2
    chord = sin(half_lat) ** 2 + cos(radians(a[0])) * cos(radians(b[0])) * sin(half_lng) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(chord)))


def bearing(a: Geocode, b: Geocode) -> float:
    """Initial heading from `a` to `b`, degrees clockwise from north in [0, 360)."""
    lat_a, lat_b, lng = radians(a[0]), radians(b[0]), radians(b[1] - a[1])
    east = sin(lng) * cos(lat_b)
    north = cos(lat_a) * sin(lat_b) - sin(lat_a) * cos(lat_b) * cos(lng)
    return degrees(atan2(east, north)) % 360


def between(a: Geocode, b: Geocode, share: float) -> Geocode:
    """The point that lies `share` of the way from `a` to `b`."""
    return a[0] * (1 - share) + b[0] * share, a[1] * (1 - share) + b[1] * share


def wrapped(angle: float) -> float:
    """The same angle in [-180, 180)."""
    return (angle + 180) % 360 - 180


def compass(heading: float) -> str:
    """The nearest of the eight compass directions."""
    return COMPASS[round(heading / 45) % 8]


def side(heading: float, target: float) -> str:
    """Where something at the bearing `target` is for one who faces `heading`."""
    return SIDES[round((target - heading) / 45) % 8]


def heading_of(east: float, north: float) -> float:
    """The heading of a displacement in metres on a plane."""
    return degrees(atan2(east, north)) % 360


def length(east: float, north: float) -> float:
    return hypot(east, north)
