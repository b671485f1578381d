"""The preset compression dictionaries, by version: what both sides already know of a referral's text.

A dictionary is part of the envelope format. A published one never changes: a new one gets a new number, and the old stays for
as long as a sealed envelope may exist. Deflate reaches back with short distances for what stands near the end, so the commonest
text stands last. This module knows bytes only: nothing of keys, headers or the meaning of a referral.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_V1: Final = (
    b'"open_warrant":"no","safety_threat":"no","under_supervision":"unknown","disqualifying_record":"unknown","open_case":"unknown"'
)

DICTIONARIES: Final[Mapping[int, bytes]] = MappingProxyType({1: _V1})
