"""What the screens ask of the phone itself: where it is, and to dial. Each may be missing, refused or slow.

Every call ends by itself (a service that the client does not have never answers), and none of them blocks a screen.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import flet as ft
from flet_geolocator import Geolocator, GeolocatorPermissionStatus

FIX_SECONDS = 8.0  # a fix in a stairwell takes longer than anyone waits; the place can be typed meanwhile
ASK_SECONDS = 60.0  # while the system asks the person for permission
CALL_SECONDS = 5.0
_GRANTED = (GeolocatorPermissionStatus.ALWAYS, GeolocatorPermissionStatus.WHILE_IN_USE)
_FAULTS = (TimeoutError, RuntimeError, ValueError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A position: WGS84 degrees and its accuracy in metres."""

    lat: float
    lon: float
    accuracy_m: float | None


class Hands(Protocol):
    """The device under the screens."""

    async def position(self, *, ask: bool) -> Fix | None:
        """Where the device is, or None. `ask`: the person tapped, so the system may ask for permission."""
        ...

    async def dial(self, phone: str) -> bool:
        """Open the telephone with the number in it; False when there is no telephone."""
        ...


class DeviceHands:
    """The services of Flet's client."""

    def __init__(self, page: ft.Page) -> None:
        self._page = page
        self._locator: Geolocator | None = None

    async def position(self, *, ask: bool) -> Fix | None:
        """See `Hands`."""
        if not (self._page.web or (self._page.platform is not None and self._page.platform.is_mobile())):
            return None  # desktops would answer with the address of a provider
        try:
            if self._locator is None:
                self._locator = Geolocator()
            locator = self._locator
            allowed = await asyncio.wait_for(locator.get_permission_status(), CALL_SECONDS)
            if allowed not in _GRANTED:
                if not ask:
                    return None
                allowed = await asyncio.wait_for(locator.request_permission(), ASK_SECONDS)
                if allowed not in _GRANTED:
                    return None
            found = await asyncio.wait_for(locator.get_current_position(), FIX_SECONDS)
        except _FAULTS:
            return None
        if found.latitude is None or found.longitude is None:
            return None
        return Fix(lat=found.latitude, lon=found.longitude, accuracy_m=found.accuracy)

    async def dial(self, phone: str) -> bool:
        """See `Hands`."""
        number = "".join(c for c in phone if c.isdigit() or c == "+")
        try:
            await asyncio.wait_for(ft.UrlLauncher().launch_url(f"tel:{number}"), CALL_SECONDS)
        except _FAULTS:
            return False
        return True
