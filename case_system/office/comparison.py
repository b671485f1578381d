"""What a programme pack changes against another: what a person reads before it is put in force. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from referral.programme import Contact, Programme

_GROUPS = ("rules", "timers", "caps", "hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value. where: its place in programme.json. before, after: as text, None where there is none."""

    where: str
    before: str | None
    after: str | None
    unverified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many entries a list has, and how many are new, gone or different."""

    what: str
    before: int
    after: int
    added: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """values: what differs. counts: of each list. unverified: every value that the sources do not settle. synthetic: contacts whose number is made up.

    zone: the outline differs. other_programme: it is another city's.
    """

    values: tuple[Change, ...]
    counts: tuple[Count, ...]
    unverified: tuple[str, ...]
    synthetic: tuple[str, ...]
    zone: bool
    other_programme: bool


def compare(old: Programme, new: Programme) -> Comparison:
    """What changes when `new` takes the place of `old`."""
    return Comparison(
        values=tuple(sorted(_values(old, new), key=lambda change: change.where)),
        counts=(
            _count("offences", old.offences, new.offences),
            _count("blocks", {(b.street, b.number): b for b in old.blocks}, {(b.street, b.number): b for b in new.blocks}),
            _count("corners", {(c.street_a, c.street_b): c for c in old.corners}, {(c.street_a, c.street_b): c for c in new.corners}),
            _count("landmarks", {m.text: m for m in old.landmarks}, {m.text: m for m in new.landmarks}),
            _count("choices", _choices(old), _choices(new)),
            _count("contacts", old.contacts, new.contacts),
            _count("partners", {p.id: p for p in old.partners}, {p.id: p for p in new.partners}),
        ),
        unverified=tuple(sorted(new.unverified)),
        synthetic=tuple(sorted(c.id for c in new.contacts.values() if c.synthetic)),
        zone=(old.zone.ring, old.zone.boundary_m) != (new.zone.ring, new.zone.boundary_m),
        other_programme=old.id != new.id,
    )  # fmt: skip


def _values(old: Programme, new: Programme) -> Iterator[Change]:
    for group in _GROUPS:
        was, now = getattr(old, group), getattr(new, group)
        for field in fields(now):
            yield from _changed(f"/{group}/{field.name}", getattr(was, field.name), getattr(now, field.name), new)
    for place, was, now in (
        ("/name", old.name, new.name), ("/languages", old.languages, new.languages), ("/agency/banner", old.agency.banner, new.agency.banner),
        ("/agency/agreement", old.agency.agreement, new.agency.agreement), ("/zone/bounds", old.zone.bounds, new.zone.bounds),
    ):  # fmt: skip
        yield from _changed(place, was, now, new)
    for name in sorted({*old.contacts, *new.contacts}):
        yield from _changed(
            f"/contacts/{name}/phone", _phone(old.contacts.get(name)), _phone(new.contacts.get(name)), new
        )


def _changed(where: str, was: Any, now: Any, new: Programme) -> Iterator[Change]:
    if was != now:
        yield Change(where=where, before=_text(was), after=_text(now), unverified=new.is_unverified(where))


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case tuple():
            return ", ".join(_text(item) or "" for item in value)
        case _ if hasattr(value, "en"):
            return str(value.en)
        case _ if hasattr(value, "days"):
            days = "/".join(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day] for day in value.days)
            return f"{days} {value.opens:%H:%M}-{value.closes:%H:%M}"
        case _:
            return str(value)


def _phone(contact: Contact | None) -> str | None:
    return None if contact is None else contact.phone


def _choices(pack: Programme) -> dict[tuple[str, str], Any]:
    return {(field, choice.code): choice for field, listed in pack.choices.items() for choice in listed}


def _count(what: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Count:
    both = old.keys() & new.keys()
    return Count(
        what=what,
        before=len(old),
        after=len(new),
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        changed=sum(old[key] != new[key] for key in both),
    )
