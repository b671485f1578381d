"""The programme pack as administrators keep it: what is in force, what else is kept, and what a new one would change.

A pack is first kept, then looked at beside the one in force, and then put in force: three steps, each audited. What was in force
before stays kept, so that one can go back. A version is one content: another content needs another version, because devices and
referrals name packs by their stamp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from case_system.grants import Duty, has_duty
from case_system.office.comparison import Comparison, compare
from case_system.office.entry import Entry, asking
from case_system.office.upload import PackCode, PackRefused, unpack
from case_system.packs import Packs
from referral.model import UserId
from referral.programme import PackError, Programme, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A kept pack. in_force_at, by: when and by whom it was put in force last, None where it never was."""

    digest: str
    stamp: str
    kept_at: datetime
    in_force: bool
    in_force_at: datetime | None
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A kept pack beside the one in force."""

    edition: Edition
    programme: Programme
    against: Programme
    changes: Comparison


class EditionRows(Protocol):
    """Kept packs (`store/editions.py`), each change in a transaction of its own and audited."""

    def listed(self) -> tuple[Edition, ...]:
        """Every kept pack, the newest first."""
        ...

    def keep(self, programme: Programme, files: Mapping[str, bytes], now: datetime, by: str) -> None:
        """Keep a checked pack; nothing changes by that."""
        ...

    def put_in_force(self, digest: str, now: datetime, by: str) -> bool:
        """Put a kept pack in force; False when there is none of that digest."""
        ...


class Pack:
    """The packs."""

    def __init__(self, entry: Entry, rows: EditionRows, packs: Packs) -> None:
        self._entry, self._rows, self._packs = entry, rows, packs

    def listed(self, actor: UserId) -> tuple[tuple[Edition, ...], Programme, bool]:
        """Every kept pack, the programme in force, and whether the actor may change it."""
        user = self._entry.let(actor, Duty.SEE_PACKS)
        with asking():
            return self._rows.listed(), self._entry.transactions.pack(), has_duty(Duty.CHANGE_PACK, user.role)

    def take(self, actor: UserId, data: bytes) -> str:
        """Check an uploaded pack and keep it; its digest. Raises PackRefused with everything that is wrong."""
        self._entry.let(actor, Duty.CHANGE_PACK)
        files = unpack(data)
        try:
            programme = load(files)
        except PackError as error:
            raise PackRefused(PackCode.FAULTS, tuple(str(fault) for fault in error.faults)) from error
        with asking():
            for edition in self._rows.listed():
                if edition.digest == programme.digest:
                    return programme.digest
                if edition.stamp == programme.stamp:
                    raise PackRefused(PackCode.SAME_VERSION, (programme.stamp,))
            self._rows.keep(programme, files, self._entry.clock(), actor)
        return programme.digest

    def preview(self, actor: UserId, digest: str) -> Preview:
        """A kept pack beside the one in force; raises PackRefused(pack_unknown)."""
        self._entry.let(actor, Duty.SEE_PACKS)
        with asking():
            edition = next((e for e in self._rows.listed() if e.digest == digest), None)
        if edition is None:
            raise PackRefused(PackCode.UNKNOWN)
        programme, against = self._packs.programme(digest), self._entry.transactions.pack()
        return Preview(edition=edition, programme=programme, against=against, changes=compare(against, programme))

    def put_in_force(self, actor: UserId, digest: str, instead_of: str) -> None:
        """Put a kept pack in force. instead_of: the digest of the pack that the actor saw in force; PackRefused when it is another by now."""
        self._entry.let(actor, Duty.CHANGE_PACK)
        if self._entry.transactions.pack().digest != instead_of or digest == instead_of:
            raise PackRefused(PackCode.IN_FORCE)
        with asking():
            if not self._rows.put_in_force(digest, self._entry.clock(), actor):
                raise PackRefused(PackCode.UNKNOWN)
