"""What it takes to wake a person outside the app, and how it went: the words that dispatcher, channels and store share.

A `Way` is one channel of one person; its address may hold secrets and stays out of every `repr`. A `WakeUp` holds no person,
no place and no time. A `Fault` is a code for supervisors: never what the other side said, which may quote anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Fault(StrEnum):
    """Why a channel did not take a message. GONE is for good; everything else may pass."""

    NOT_TAKEN = "not_taken"  # the service says no more than that
    NO_ANSWER = "no_answer"  # nobody at the other end
    BUSY = "busy"  # come again later
    REFUSED = "refused"  # the other side takes nothing like this from us
    GONE = "gone"  # the subscription has ended
    UNUSABLE = "unusable"  # the address cannot be used


class Sent(StrEnum):
    """delivered: at least one channel took it. failed: none did, try again. no_channel: this person has none."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NO_CHANNEL = "no_channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One channel: its id, and its address with whatever secrets that holds."""

    channel_id: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel as people may see it, without its address.

    kinds, hours: which notices it is for and when it may be used; empty for all and for always. failures: in a row. fault: a
    code of `Fault`. active: False once it is gone for good.
    """

    channel_id: str
    user_id: str
    kind: str
    active: bool
    kinds: tuple[str, ...]
    hours: str
    failures: int
    fault: str | None
    failed_at: datetime | None
    delivered_at: datetime | None
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How one channel did; no fault: it took the message."""

    channel_id: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUp:
    """What is sent: a title and a line without personal data, and the id that is the same at every repetition (S16).

    rings: as loud as the channel can. quiet: an officer's device vibrates and stays dark and silent.
    """

    title: str
    line: str
    dedup_id: str
    rings: bool = False
    quiet: bool = False


def outcome(tried: Iterable[Tried]) -> Sent:
    """What became of a message that was tried in these ways."""
    faults = [one.fault for one in tried]
    if not faults or all(fault is Fault.GONE for fault in faults):
        return Sent.NO_CHANNEL
    return Sent.DELIVERED if None in faults else Sent.FAILED
