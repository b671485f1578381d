"""Is a point in the zone? Plane geometry around the zone, in metres.

Degrees are turned into metres with the WGS84 series at the zone's middle latitude: within 5 km of the zone the error is
under 0.1 %, far below the doubt about the line itself (the pack's `boundary_m`) and about any GPS fix. Farther away the
distance is only roughly right, and nothing there is near a line.

Knows only coordinates: no streets, no text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from referral.model import Zone
from referral.programme import Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a point lies, and its distance from the line in metres (0 or more on either side)."""

    zone: Zone
    edge_m: float


def judge(lat: float, lon: float, outline: Outline, accuracy_m: float | None = None) -> Standing:
    """Inside, outside, or boundary when the line is nearer than the pack's `boundary_m` or the fix's accuracy in metres.

    Raises ValueError for what is not a point on the map or not an accuracy.
    """
    if not (abs(lat) <= 90 and abs(lon) <= 180):  # also refuses nan
        raise ValueError("not a latitude and longitude in degrees")
    if accuracy_m is not None and not 0 <= accuracy_m < math.inf:
        raise ValueError("not an accuracy in metres")
    within, nearest = False, math.inf
    corners = [
        ((east_lon - lon) * east, (north_lat - lat) * north)
        for north_lat, east_lon, east, north in _scaled(outline.ring)
    ]
    ax, ay = corners[-1]
    for bx, by in corners:
        dx, dy = bx - ax, by - ay
        along = -(ax * dx + ay * dy) / (dx * dx + dy * dy or 1.0)  # 0 at a, 1 at b: the point that is nearest to (0, 0)
        along = 0.0 if along < 0.0 else min(along, 1.0)
        x, y = ax + along * dx, ay + along * dy
        nearest = min(nearest, x * x + y * y)
        if (ay > 0) != (by > 0) and ax + dx * ay / (ay - by) > 0:  # a ray to the east crosses this side
            within = not within
        ax, ay = bx, by
    edge = math.sqrt(nearest)
    if edge <= max(outline.boundary_m, accuracy_m or 0.0):
        return Standing(zone=Zone.BOUNDARY, edge_m=edge)
    return Standing(zone=Zone.INSIDE if within else Zone.OUTSIDE, edge_m=edge)


@lru_cache(maxsize=2048)  # a pack's blocks, corners and landmarks
def edge_of(lat: float, lon: float, outline: Outline) -> float:
    """How far one of the pack's own places lies from the line, in metres. For no place of a person: it is remembered."""
    return judge(lat, lon, outline).edge_m


def distance_m(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """The distance between two near points in metres."""
    return math.hypot(*offset_m(lat, lon, other_lat, other_lon))


def offset_m(lat: float, lon: float, other_lat: float, other_lon: float) -> tuple[float, float]:
    """How far east and north of the first point the other one lies, in metres (WGS84 series, at the other's latitude)."""
    east, north = _degree_m(other_lat)
    return (other_lon - lon) * east, (other_lat - lat) * north


@lru_cache(maxsize=4096)  # the latitudes of a pack's line and places: about a thousand
def _degree_m(lat: float) -> tuple[float, float]:
    """How many metres a degree of longitude and one of latitude have here (WGS84 series)."""
    phi = math.radians(lat)
    north = 111_132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    east = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    return east, north


@lru_cache(maxsize=8)  # one line a pack
def _scaled(ring: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float, float, float], ...]:
    """Each corner with the metres of a degree there: latitude, longitude, metres east, metres north."""
    return tuple((lat, lon, *_degree_m(lat)) for lat, lon in ring)
