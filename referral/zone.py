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
    edge = math.inf
    within = False
    corners = [offset_m(lat, lon, *corner) for corner in outline.ring]
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        edge = min(edge, _to_segment(ax, ay, bx, by))
        if (ay > 0) != (by > 0) and ax + (bx - ax) * ay / (ay - by) > 0:  # a ray to the east crosses this side
            within = not within
    if edge <= max(outline.boundary_m, accuracy_m or 0.0):
        return Standing(zone=Zone.BOUNDARY, edge_m=edge)
    return Standing(zone=Zone.INSIDE if within else Zone.OUTSIDE, edge_m=edge)


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


def _to_segment(ax: float, ay: float, bx: float, by: float) -> float:
    """The distance of (0, 0) from the segment a-b."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length))
    return math.hypot(ax + along * dx, ay + along * dy)
