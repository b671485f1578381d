"""What the case system needs from the world, as protocols: time, randomness, keys, and a wake-up for who waits.

The service and its pure parts take these as arguments, so that the simulator and the tests decide them. Nothing here knows
how they are made; `case_system/app.py` names the concrete ones. (The dispatcher's ports to the outside are its own.)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from referral.envelope import AgencyPrivateKey, AgencyPublicKey, ServerSigningKey


class Clock(Protocol):
    """Gives the present moment as an aware UTC datetime."""

    def __call__(self) -> datetime: ...


class RandomBytes(Protocol):
    """Gives `n` random bytes from a source fit for secrets."""

    def __call__(self, n: int, /) -> bytes: ...


class Keys(Protocol):
    """The secrets of the key folder; none of them is ever in the database."""

    @property
    def agency_keys(self) -> Mapping[bytes, AgencyPrivateKey]:
        """The private keys that open envelopes, by key id."""
        ...

    @property
    def retired(self) -> frozenset[bytes]:
        """Ids of keys that were ours and are gone: what is sealed for them is answered with `key_retired`."""
        ...

    @property
    def newest(self) -> AgencyPublicKey:
        """The key that new operations are sealed for."""
        ...

    @property
    def server_key(self) -> ServerSigningKey:
        """Signs answers; bound on each device at enrolment."""
        ...

    @property
    def storage_key(self) -> bytes:
        """32 bytes that wrap data keys, and seal secrets that belong to no referral."""
        ...

    @property
    def index_key(self) -> bytes:
        """32 bytes for blind indexes (HMAC)."""
        ...


class Wake(Protocol):
    """Told after a commit that there is something new, so that open streams and the dispatcher look at once."""

    def __call__(self, user_ids: frozenset[str], /) -> None: ...
