"""Short numbers that people say aloud: call codes and receipts, derived or formatted, never secret.

A call code ("K7-42") is read over the radio when a referral has not been received. It is derived from the referral id, so
that the phone, the desk and the arriving envelope agree without a network. 24,000 codes: a desk has few open at once, and
on a clash a person decides.
"""

from __future__ import annotations

import hashlib

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I and O: they are heard and read as 1 and 0
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def call_code(referral_id: str) -> str:
    """The call code of a referral, like "K7-42"."""
    number = int.from_bytes(hashlib.sha256(b"lead/call/v1" + referral_id.encode()).digest()[:8], "big")
    letter, digits = _LETTERS[number % 24], number // 24 % 1000
    return f"{letter}{digits // 100}-{digits % 100:02d}"


def receipt_number(random8: bytes) -> str:
    """A receipt number like "7K42-9QXM" from 5 or more random bytes (40 bits)."""
    number = int.from_bytes(random8[:5], "big")
    text = "".join(_CROCKFORD[number >> shift & 31] for shift in range(35, -1, -5))
    return f"{text[:4]}-{text[4:]}"
