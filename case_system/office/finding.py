"""Finding a referral: by what is on paper (receipt number, call code, officer, state, day) or by a person's name.

Nobody finds what they may not see: `grants.SIGHTS` is asked for every hit. There is no readable index of names. A name with a
birth date is looked up through the blind index; a name alone is compared with the names of the referrals in sight, which are
opened for it. What was typed is kept nowhere; the search and each hit are audited.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from case_system import sealing
from case_system.audience import stands
from case_system.audit import Deed
from case_system.grants import Channel, Duty, Sight, sight
from case_system.office.entry import Entry, asking
from case_system.ports import Keys
from case_system.record import Record, User
from case_system.storage import Reading
from case_system.turn import World, world_of
from case_system.views import as_seen
from referral.lifecycle import Episode, Handoff, Review, Role
from referral.model import Kind, ReferralId, UserId
from referral.port import Refused
from referral.problems import FieldError, ProblemCode

SHOWN = 50
SCANNED = 20_000  # names compared at most in one search


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for; None is anything. since, until: days of receipt in the programme's zone, both included."""

    receipt: str | None = None
    call_code: str | None = None
    officer: UserId | None = None
    kind: Kind | None = None
    review: Review | None = None
    handoff: Handoff | None = None
    episode: Episode | None = None
    since: date | None = None
    until: date | None = None
    name: str | None = field(default=None, repr=False)
    born: date | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """True when nothing is looked for."""
        return not any(getattr(self, name) is not None for name in self.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit. name: as recorded, where a name was looked for and the reader may see it."""

    record: Record
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Hits, the newest first. more: there are others; narrow the search."""

    hits: tuple[Found, ...]
    more: bool
    names: Mapping[UserId, str]


class FindingRows(Protocol):
    """Referrals by what stands in plain columns, and by blind index (`store/finding.py`)."""

    def matching(self, query: Query, person_index: str | None, days: tuple[date | None, date | None], limit: int) -> Sequence[Record]:  # fmt: skip
        """Unopened records, the newest first."""
        ...


class Finding:
    """Searches."""

    def __init__(self, entry: Entry, rows: FindingRows, keys: Keys) -> None:
        self._entry, self._rows, self._keys = entry, rows, keys

    def officers(self, actor: UserId) -> tuple[User, ...]:
        """Whose referrals may be asked for, by name."""
        self._entry.let(actor, Duty.SEARCH)
        with self._entry.transactions.reading() as reading:
            made = [u for u in reading.users().values() if u.role in (Role.OFFICER, Role.SUPERVISOR)]
        return tuple(sorted(made, key=lambda u: (u.name.casefold(), u.user_id)))

    def find(self, actor: UserId, query: Query) -> Results:
        """What the actor may see of what fits."""
        user = self._entry.let(actor, Duty.SEARCH)
        if query.empty:
            raise Refused(ProblemCode.MISSING_ANSWER)
        if query.name is not None and (len(query.name) > 120 or not sealing.words_of(query.name)):
            raise FieldError("name", ProblemCode.INVALID_VALUE, "is no name")
        if query.born is not None and query.name is None:
            raise Refused(ProblemCode.MISSING_ANSWER)
        index = sealing.person_index(self._keys.index_key, query.name, query.born)
        limit = SCANNED if query.name is not None else 2000
        with asking():
            rows = self._rows.matching(query, index, (query.since, query.until), limit)
            if index is not None and not rows:  # written in another way: compare the names
                rows = self._rows.matching(query, None, (query.since, query.until), limit)
        now, pack = self._entry.clock(), self._entry.transactions.pack()
        with self._entry.transactions.reading() as reading:
            users = reading.users()
            world = world_of(now, pack, users, reading.rota(), reading.pairs())
            rung = reading.rung()
            seen = [(r, s) for r in rows if (s := _sight(user, r, rung, world)) is not Sight.NOTHING]
            found = self._named(reading, seen, query.name, query.born) if query.name is not None else [Found(record=r) for r, _ in seen]  # fmt: skip
        hits = tuple(found[:SHOWN])
        self._entry.note(
            now,
            Deed(actor=actor, action="search", outcome="by_name" if query.name is not None else "by_paper"),
            *(Deed(actor=actor, action="look", object_id=hit.record.referral_id, outcome="found") for hit in hits),
        )
        return Results(hits=hits, more=len(found) > SHOWN, names={u.user_id: u.name for u in users.values()})

    @staticmethod
    def _named(reading: Reading, seen: Sequence[tuple[Record, Sight]], name: str, born: date | None) -> list[Found]:
        found: list[Found] = []
        for start in range(0, len(seen), 500):
            part = seen[start : start + 500]
            opened = reading.records([r.referral_id for r, _ in part], opened=True)
            for record, sees in part:
                shown = as_seen(opened[record.referral_id], sees) if record.referral_id in opened else None
                person = shown.referral.person if shown is not None and shown.referral is not None else None
                if person is None or person.name is None or not is_named(person.name, name):
                    continue
                if born is None or (person.birth is not None and person.birth.date == born):
                    found.append(Found(record=record, name=person.name))
            if len(found) > SHOWN:
                break
        return found


def is_named(recorded: str, asked: str) -> bool:
    """True when every word that is asked for is a word of the recorded name, whatever its case, accents and marks."""
    words = set(sealing.words_of(recorded)) | set(_parts(recorded))
    return all(set(sealing.words_of(word)) <= words or set(_parts(word)) <= words for word in asked.split())


def _parts(name: str) -> list[str]:
    letters = (c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in letters).split()


def _sight(user: User, record: Record, rung: Mapping[ReferralId, Collection[UserId]], world: World) -> Sight:
    who = frozenset(rung.get(record.referral_id, ()))
    return sight(Channel.PAGE, user.role, stands(user, record, who, world))
