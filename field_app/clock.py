"""The device's clock as an argument: what an officer's watch says, and a counter that nobody can set.

No decision rests on either (S12): both travel with an operation, so that the case system can tell a wrong clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where times come from."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def mono_ms(self) -> int:
        """Milliseconds of a counter that only runs forward, from any start."""
