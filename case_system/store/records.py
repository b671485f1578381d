"""A referral's row and back: codes and times in columns, what was said sealed in `body` under the referral's own key.

    body = box(data key, canonical {"referral", "amendments"}, "referral", referral_id)
    data_key = box(storage key, data key, "data-key", referral_id)

A row whose data key is gone is a record without `referral`: shredded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from case_system import sealing
from case_system.ports import Keys, RandomBytes
from case_system.reasons import Why
from case_system.record import Amendment, Record
from case_system.store import schema
from referral.codec import canonical, from_wire, parse, to_wire
from referral.custody import CustodyEnd
from referral.lifecycle import Charge, Episode, Handoff, Release, Review
from referral.model import Kind, Referral, Urgency, Whereabouts, Willing
from referral.operations import SaoAnswer
from referral.programme import NoAnswer
from referral.views import Flag

_ENUMS: Mapping[str, type[StrEnum]] = {
    "kind": Kind,
    "review": Review,
    "handoff": Handoff,
    "charge": Charge,
    "release": Release,
    "episode": Episode,
    "willing": Willing,
    "whereabouts": Whereabouts,
    "urgency": Urgency,
    "sao_answer": SaoAnswer,
    "custody_end": CustodyEnd,
    "no_answer": NoAnswer,
    "pair_why": Why,
}
_PLAIN = tuple(f.name for f in dataclasses.fields(Record) if f.name not in ("flags", "referral", "amendments"))
CLOSED = [schema.referrals.c[name] for name in (*_PLAIN, "flags")]  # what a reader needs who may not see the body


def record_of(row: RowMapping, keys: Keys | None) -> Record:
    """The record in a row; opened when `keys` are given."""
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    for name, kind in _ENUMS.items():
        if values[name] is not None:
            values[name] = kind(values[name])
    values["flags"] = frozenset(Flag(word) for word in row["flags"].split())
    if keys is not None and row["data_key"] is not None and row["body"] is not None:
        key = sealing.unwrap(keys.storage_key, row["data_key"], row["referral_id"])
        told = parse(sealing.open_(key, row["body"], "referral", row["referral_id"]))
        if told["referral"] is not None:
            values["referral"] = from_wire(Referral, told["referral"], keep_unknown=True)
        values["amendments"] = tuple(from_wire(Amendment, a, keep_unknown=True) for a in told["amendments"])
    return Record(**values)


def row_of(record: Record, data_key: bytes, rng: RandomBytes) -> dict[str, Any]:
    """The row of a record, with its body sealed under `data_key` (the wrapped key is not part of it)."""
    row: dict[str, Any] = {}
    for name in _PLAIN:
        value = getattr(record, name)
        row[name] = value.value if isinstance(value, StrEnum) else value
    row["flags"] = " ".join(sorted(record.flags))
    told = {
        "referral": None if record.referral is None else to_wire(record.referral),
        "amendments": [to_wire(a) for a in record.amendments],
    }
    row["body"] = sealing.seal(data_key, canonical(told), "referral", record.referral_id, rng)
    return row


def indexes(record: Record, keys: Keys) -> tuple[str | None, str | None]:
    """The blind indexes of the person and of the scene, None where they cannot meet anything."""
    told = record.referral
    if told is None:
        return None, record.scene_index
    born: date | None = told.person.birth.date if told.person.birth is not None else None
    person = None if record.tally else sealing.person_index(keys.index_key, told.person.name, born)
    scene = sealing.blind(keys.index_key, "scene", f"{record.made_by}|{told.scene_id}") if told.scene_id else None
    return person, scene


def plain(moment: datetime) -> datetime:
    """The moment as the store gives it back: whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
