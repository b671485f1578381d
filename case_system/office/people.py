"""Users and roles, as supervisors and administrators keep them, and everybody's own ways to be woken.

Invariants. Nobody changes their own role, lets themselves out, or gives themselves a sign-in here; the last administrator stays.
A supervisor looks after officers, case managers and peers, an administrator after everyone (`grants.MANAGED_ROLES`). A password
or a one-time-code secret is shown once, to who made it, and is never kept in the clear. Whoever moves to another pair sees and
stops seeing its people in the transaction of the move.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from case_system.audit import Deed
from case_system.door import Door
from case_system.grants import Duty, manages
from case_system.office.entry import Entry, asking
from case_system.ports import Keys, RandomBytes
from case_system.record import User
from case_system.storage import AgencyFacts, Docket, NotSo, Standing
from case_system.turn import Judgement, world_of
from case_system.ways import Channel
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import Outcome, Refused
from referral.problems import ProblemCode
from referral.programme import Programme

LANGUAGES = ("en", "es")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of the list of people. devices, channels: how many are in use. seen_at: last at the desk."""

    user_id: UserId
    name: str
    role: Role
    unit: str | None
    language: str
    languages: tuple[str, ...]  # spoken, as pack codes
    pair: str | None
    active: bool
    has_password: bool
    has_totp: bool
    devices: int
    channels: int
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A fresh sign-in, shown once. totp_link: what an authenticator app reads from a QR code (None: no new code)."""

    user_id: UserId
    password: str | None = field(default=None, repr=False)
    totp_secret: str | None = field(default=None, repr=False)
    totp_link: str | None = field(default=None, repr=False)


class PeopleRows(Protocol):
    """What is read (`store/staff.py`)."""

    def everyone(self) -> tuple[Person, ...]: ...


class PeopleChanges(Protocol):
    """What is changed, each in a transaction of its own and audited (`store/accounts.py`)."""

    def add_user(self, user_id: str, role: Role, *, name: str | None = None, unit: str | None = None, pair: str | None = None, language: str = "en", by: str = "administrator") -> UserId: ...  # fmt: skip
    def set_active(self, user_id: str, active: bool, *, by: str = "administrator") -> None: ...


class WaysToWake(Protocol):
    """Channels as they are kept, each change in a transaction of its own and audited (`store/channels.py`)."""

    def listed(self, user_id: str | None = None, *, failing: bool = False) -> tuple[Channel, ...]: ...
    def add(self, user_id: str, url: str, *, kinds: Collection[str] = (), hours: str = "", by: str = "administrator") -> str: ...  # fmt: skip
    def change(self, channel_id: str, *, kinds: Collection[str] | None = None, hours: str | None = None, of: str | None = None, by: str = "administrator") -> None: ...  # fmt: skip
    def remove(self, channel_id: str, *, of: str | None = None, by: str = "administrator") -> None: ...


class Speech(Protocol):
    """Which languages people speak (`store/roster.py`)."""

    def set_languages(self, user_id: str, languages: Sequence[str], *, known: Sequence[str], by: str = "administrator") -> None: ...  # fmt: skip


class Secrets(Protocol):
    """Sets sign-ins (`auth.Sessions`)."""

    def set_password(self, user_id: UserId, password: str, *, by: str = "administrator") -> None: ...
    def new_totp(self, user_id: UserId, *, by: str = "administrator") -> str: ...


class CheckChannel(Protocol):
    """Raises ValueError for an address that no channel understands (`notify/channels.py`)."""

    def __call__(self, url: str, /) -> None: ...


class People:
    """The list of people and every change of it."""

    def __init__(
        self,
        entry: Entry,
        rows: PeopleRows,
        changes: PeopleChanges,
        secrets: Secrets,
        ways: WaysToWake,
        speech: Speech,
        *,
        keys: Keys,
        rng: RandomBytes,
        check_channel: CheckChannel,
        issuer: Callable[[], str] = lambda: "LEAD desk",
    ) -> None:
        self._entry, self._rows, self._changes, self._secrets = entry, rows, changes, secrets
        self._ways, self._speech = ways, speech
        self._keys, self._rng, self._check_channel, self._issuer = keys, rng, check_channel, issuer

    # ------------------------------------------------------------------------------------------------ looking
    def listed(self, actor: UserId) -> tuple[Person, ...]:
        """Everyone."""
        self._entry.let(actor, Duty.SEE_PEOPLE)
        with asking():
            return self._rows.everyone()

    def one(self, actor: UserId, user_id: UserId) -> tuple[Person, tuple[Channel, ...], bool]:
        """A person, their channels, and whether the actor may change them; raises Refused(not_found)."""
        user = self._entry.let(actor, Duty.SEE_PEOPLE)
        with asking():
            found = next((p for p in self._rows.everyone() if p.user_id == user_id), None)
            if found is None:
                raise Refused(ProblemCode.NOT_FOUND)
            return found, self._ways.listed(user_id), manages(user.role, found.role) and user_id != actor

    # ------------------------------------------------------------------------------------------------ changing
    def add(self, actor: UserId, user_id: str, standing: Standing) -> UserId:
        """A new person, who cannot sign in until they have a password or a device."""
        user = self._entry.let(actor, Duty.CHANGE_PEOPLE)
        self._entry.may_have(user, Duty.CHANGE_PEOPLE, standing.role)
        said = _checked(standing)
        with asking():
            return self._changes.add_user(
                user_id, said.role, name=said.name, unit=said.unit, pair=said.pair, language=said.language, by=actor
            )

    def change(self, actor: UserId, user_id: UserId, standing: Standing) -> None:
        """Name, unit, language, role and pair; who reads which referral follows in the same transaction."""
        user, whom = self._other(actor, user_id)
        self._entry.may_have(user, Duty.CHANGE_PEOPLE, standing.role)
        said = _checked(standing)
        if whom.role is Role.ADMINISTRATOR and said.role is not Role.ADMINISTRATOR:
            self._not_the_last(whom)
        now = self._entry.clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> None:
            concerned = docket.resettle(user_id, said)
            users, rota = docket.people()
            world = world_of(now, pack, users, rota, docket.pairs(lock=False))
            docket.open(concerned)
            door = Door(docket=docket, world=world, keys=self._keys, rng=self._rng)
            for referral_id in concerned:
                record = docket.record(referral_id)
                if record is not None:
                    door.put_quietly(Judgement(outcome=Outcome.ACCEPTED, record=record))
            docket.audit(Deed(actor=actor, action="user_change", object_id=user_id, outcome=said.role))

        with asking():
            self._entry.transactions.write(now, work)

    def speaks(self, actor: UserId, user_id: UserId, languages: Sequence[str]) -> None:
        """The languages that a person speaks, as codes of the pack: whom they are rung for, and which pair is chosen."""
        self._other(actor, user_id)
        known = tuple(choice.code for choice in self._entry.transactions.pack().choices["language"])
        with asking():
            self._speech.set_languages(user_id, languages, known=known, by=actor)

    def let_in(self, actor: UserId, user_id: UserId, active: bool) -> None:
        """Let a person in or out; their sessions and devices count no more while they are out."""
        _, whom = self._other(actor, user_id)
        if not active and whom.role is Role.ADMINISTRATOR:
            self._not_the_last(whom)
        with asking():
            self._changes.set_active(user_id, active, by=actor)

    def new_password(self, actor: UserId, user_id: UserId) -> SignIn:
        """A temporary password of 80 bits; ends the person's sessions. Shown once."""
        self._other(actor, user_id)
        letters = base64.b32encode(self._rng(10)).decode().lower()
        password = "-".join(letters[n : n + 4] for n in range(0, 16, 4))
        with asking():
            self._secrets.set_password(user_id, password, by=actor)
        return SignIn(user_id=user_id, password=password)

    def new_totp(self, actor: UserId, user_id: UserId) -> SignIn:
        """A fresh one-time-code secret, as text and as the link of a QR code. Shown once."""
        self._other(actor, user_id)
        with asking():
            secret = self._secrets.new_totp(user_id, by=actor)
        issuer = "".join(c for c in self._issuer() if c.isalnum() or c == " ").replace(" ", "%20")
        link = f"otpauth://totp/{issuer}:{user_id}?secret={secret}&issuer={issuer}"
        return SignIn(user_id=user_id, totp_secret=secret, totp_link=link)

    # ------------------------------------------------------------------------------------------------ channels
    def add_channel(self, actor: UserId, user_id: UserId, url: str, *, kinds: Collection[str] = (), hours: str = "") -> None:  # fmt: skip
        """A way to wake a person; one's own, or of somebody whom one looks after. kinds, hours: see `waking.py`."""
        self._own_or_other(actor, user_id)
        try:
            self._check_channel(url)
        except ValueError as error:
            raise NotSo("that is no address that a notice can be sent to", "no_channel_url") from error
        with asking():
            self._ways.add(user_id, url, kinds=kinds, hours=hours, by=actor)

    def change_channel(self, actor: UserId, user_id: UserId, channel_id: str, *, kinds: Collection[str], hours: str) -> None:  # fmt: skip
        """What it is for and when it may be used from now on."""
        self._own_or_other(actor, user_id)
        with asking():
            self._ways.change(channel_id, kinds=kinds, hours=hours, of=user_id, by=actor)

    def remove_channel(self, actor: UserId, user_id: UserId, channel_id: str) -> None:
        """That way goes."""
        self._own_or_other(actor, user_id)
        with asking():
            self._ways.remove(channel_id, of=user_id, by=actor)

    def own_channels(self, actor: UserId) -> tuple[Channel, ...]:
        """One's own ways to be woken."""
        self._entry.let(actor, Duty.OWN_NOTICES)
        with asking():
            return self._ways.listed(actor)

    def failing_channels(self, actor: UserId) -> tuple[Channel, ...]:
        """Everybody's channels whose last message was not taken."""
        self._entry.let(actor, Duty.SEE_PEOPLE)
        with asking():
            return self._ways.listed(failing=True)

    # ------------------------------------------------------------------------------------------------ inside
    def _other(self, actor: UserId, user_id: UserId) -> tuple[User, User]:
        if actor == user_id:
            self._entry.let(actor, Duty.CHANGE_PEOPLE)
            raise NotSo("nobody changes their own account here", "own_account")
        return self._entry.over(actor, Duty.CHANGE_PEOPLE, user_id)

    def _own_or_other(self, actor: UserId, user_id: UserId) -> None:
        if actor == user_id:
            self._entry.let(actor, Duty.OWN_NOTICES)
        else:
            self._entry.over(actor, Duty.CHANGE_PEOPLE, user_id)

    def _not_the_last(self, whom: User) -> None:
        with self._entry.transactions.reading() as reading:
            others = [u for u in reading.users().values() if u.role is Role.ADMINISTRATOR and u.active]
        if [u.user_id for u in others] == [whom.user_id]:
            raise NotSo("this is the last administrator", "last_administrator")


def _checked(said: Standing) -> Standing:
    name, unit = said.name.strip(), (said.unit or "").strip()
    if not name or len(name) > 80 or len(unit) > 80 or not (name + unit).isprintable():
        raise NotSo("a name and a unit are one line of at most 80 letters", "name_length")
    if said.language not in LANGUAGES:
        raise NotSo("the desk speaks English and Spanish", "no_language")
    pair = said.pair if said.role in (Role.CASE_MANAGER, Role.PEER) else None
    return Standing(name=name, role=said.role, unit=unit or None, language=said.language, pair=pair or None)
