"""What the case system needs from the world, as protocols: time, randomness, keys, packs, and ways to wake a person.

The service and its pure parts take these as arguments, so that the simulator and the tests decide them. Nothing here knows
how they are made; `case_system/app.py` names the concrete ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUp:
    """One message that wakes a person and says nothing: no name, place or time of what happened.

    dedup_id: the same for every attempt, so that a receiver can drop a repeat (S16). urgent: rings at night.
    """

    dedup_id: str
    title: str
    text: str
    urgent: bool
    address: str = field(repr=False)


class ChannelError(Exception):
    """A channel did not take the message; `code` is a stable word without personal data."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoticeChannel(Protocol):
    """One way to wake people outside the app."""

    def send(self, wake_up: WakeUp) -> None:
        """Hand the message over, or raise ChannelError. May block: the dispatcher gives it a thread and a time limit."""
        ...


class Wake(Protocol):
    """Told after a commit that there is something new, so that open streams and the dispatcher look at once."""

    def __call__(self, user_ids: frozenset[str], /) -> None: ...
