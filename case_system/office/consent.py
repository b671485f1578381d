"""Releases of information in force: what of a person may be told to whom (42 CFR 2.31).

A release is in force when it is the newest word of its referral, was signed, names its parties and scope, and its last day has
not passed. A party is `police`, or a partner by its id in the pack; every pack calls the prosecutor and the defender by these two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

POLICE: Final = "police"
PROSECUTOR: Final = "sao"
DEFENDER: Final = "opd"
MEETING: Final = frozenset({POLICE, PROSECUTOR})  # who sits at the weekly meeting beside LEAD itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A signed release: whom it names, what it covers and its last day."""

    parties: frozenset[str]
    scope: frozenset[str]
    until: date

    def names(self, parties: Collection[str], on: date) -> bool:
        """True when it names all of these parties and is in force on the day."""
        return on <= self.until and self.parties.issuperset(parties)
