"""What the metrics page says of the whole programme, as plain numbers: no label holds a person, a user, a device or a referral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ACCEPT_BUCKETS_S = (30, 60, 120, 180, 300, 360, 600, 900, 1800, 3600, 14400, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """numbers: name -> value. by_word: (name, label) -> word -> value. accepted: how many handoffs were accepted within each of
    ACCEPT_BUCKETS_S seconds of their offer, then how many at all, and the sum of the seconds."""

    numbers: Mapping[str, float]
    by_word: Mapping[tuple[str, str], Mapping[str, float]]
    accepted: tuple[int, ...]
    accepted_s: float
