"""What a LEAD referral is: frozen records that are valid by construction.

Field names are the wire names of the product's contract. An answer that was not given is None (or an empty tuple) and
stays visible as "to finish"; only `kind`, `willing` and, for an arrest, `whereabouts` are needed to save. This module knows
no pack, no clock and no storage: codes that a programme pack defines are checked for shape here and for membership there.

Errors: every constructor raises `FieldError` with the wire path of the answer that does not fit.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NewType

from referral.problems import FieldError, ProblemCode

ReferralId = NewType("ReferralId", str)
OpId = NewType("OpId", str)  # 32 hex digits: the 16 random bytes of an envelope header
DeviceId = NewType("DeviceId", str)  # 32 hex digits
UserId = NewType("UserId", str)  # the short name of `case-system user add`

ADULT_AGE = 18
DESCRIPTOR_LIMIT = 120
NOTE_LIMIT = 280
TEXT_LIMIT = 200
STAMP_LIMIT = 80  # of the pack that was in force

_REFERRAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")
_USER_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}\Z")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # all but the line break
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_OFFENCE = re.compile(r"\d[ AC0-9]\d{4}\Z")  # the arrest records have one code, 690000, with a digit for the blank


class Kind(StrEnum):
    ARREST = "arrest_diversion"
    SOCIAL = "social_contact"


class Willing(StrEnum):
    YES = "yes"
    LATER = "later"
    NOT_ASKED = "not_asked"
    CANNOT_ANSWER = "cannot_answer"
    NO = "no"


class Whereabouts(StrEnum):
    COMING_IN = "coming_in"
    CASE_MANAGER_COMING = "case_manager_coming"
    HOSPITAL = "hospital"
    BOOKED = "booked"
    TRANSFERRED = "transferred"
    RELEASED = "released"
    WITH_ME = "with_me"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Quantity(StrEnum):
    PERSONAL = "personal"
    MORE = "more"
    UNKNOWN = "unknown"


class PlaceSource(StrEnum):
    GPS = "gps"
    PICKED = "picked"
    TYPED = "typed"


class Zone(StrEnum):
    INSIDE = "inside"
    BOUNDARY = "boundary"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


class ReachHow(StrEnum):
    PHONE = "phone"
    PLACE = "place"
    THROUGH_SOMEONE = "through_someone"
    NONE = "none"


class Permission(StrEnum):
    OK = "ok"
    OK_NO_MESSAGE = "ok_no_message"
    DO_NOT_CONTACT = "do_not_contact"


class Basis(StrEnum):
    OBSERVED = "observed"
    RECORD = "record"
    THIRD_PARTY = "third_party"
    ASKED_FOR_HELP = "asked_for_help"


class Urgency(StrEnum):
    TODAY = "today"
    THIS_WEEK = "this_week"
    ROUTINE = "routine"


class Need(StrEnum):
    MEDICAL = "medical"
    WITHDRAWAL = "withdrawal"
    NALOXONE_GIVEN = "naloxone_given"
    DEPENDANTS = "dependants"
    PET = "pet"
    UNSAFE_PLACE = "unsafe_place"


def _refuse(path: str, message: str, code: ProblemCode = ProblemCode.INVALID_VALUE) -> FieldError:
    return FieldError(path, code, message)


def _limit(path: str, value: str | None, limit: int) -> None:
    if value is None:
        return
    if not value.strip():
        raise _refuse(path, "is blank; leave it out instead")
    if len(value) > limit:
        raise _refuse(path, f"is longer than {limit} characters", ProblemCode.TOO_LONG)
    if _CONTROL.search(value):
        raise _refuse(path, "has control characters")


def check_code(path: str, value: str | None) -> None:
    """Refuse what cannot be a pack code (lower case, digits, underscores)."""
    if value is not None and not _CODE.match(value):
        raise _refuse(path, "is not a code of the programme")


def is_referral_id(text: str) -> bool:
    """True for what can be a referral's id."""
    return _REFERRAL_ID.match(text) is not None


def check_user(path: str, value: str | None) -> None:
    """Refuse what cannot be a user's short name."""
    if value is not None and not _USER_ID.match(value):
        raise _refuse(path, "is not a user name")


def aware(path: str, value: datetime | None, *, by_clock: bool = False) -> None:
    """Refuse a time without a time zone, because only aware UTC times travel, and one that has no local form.

    by_clock: a device's clock said it, not a person; a clock may be off by thousands of years, and its record is taken all the same.
    """
    if value is None:
        return
    if value.utcoffset() is None:
        raise _refuse(path, "has no time zone; write it in UTC, like 2026-02-03T01:02:03Z")
    if not by_clock and not dt.MINYEAR < value.year < dt.MAXYEAR:
        raise _refuse(path, "is in a year that cannot be meant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """One of: the date, an age as told or estimated (years), or "adult, age unknown"."""

    date: dt.date | None = None
    age: int | None = None
    adult: bool | None = None

    def __post_init__(self) -> None:
        if sum(v is not None for v in (self.date, self.age, self.adult)) != 1:
            raise _refuse("person.birth", "needs exactly one of date, age, adult")
        if self.age is not None and not 0 <= self.age <= 120:
            raise _refuse("person.birth.age", "is not an age in years")
        if self.adult is False:
            raise _refuse("person.birth.adult", "can only be true; give an age for a minor")
        if self.date is not None and self.date.year < 1890:
            raise _refuse("person.birth.date", "is too long ago")

    def age_on(self, day: dt.date) -> int | None:
        """The age in whole years on `day`, or None when only "adult" is known."""
        if self.date is not None:
            return day.year - self.date.year - ((day.month, day.day) < (self.date.month, self.date.day))
        return self.age


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who it is, as far as told. A name is never forced; a descriptor never holds race, health or what they said."""

    name: str | None = field(default=None, repr=False)
    descriptor: str | None = field(default=None, repr=False)
    birth: Birth | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _limit("person.name", self.name, TEXT_LIMIT)
        _limit("person.descriptor", self.descriptor, DESCRIPTOR_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How to find the person safely; `permission` silences messages to them, never to staff."""

    how: ReachHow
    detail: str | None = field(default=None, repr=False)
    permission: Permission | None = None

    def __post_init__(self) -> None:
        _limit("reach.detail", self.detail, TEXT_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it happened: text as picked or typed, WGS84 degrees, the fix's accuracy in metres, and the zone found."""

    text: str | None = field(default=None, repr=False)
    lat: float | None = field(default=None, repr=False)
    lon: float | None = field(default=None, repr=False)
    accuracy_m: float | None = None
    source: PlaceSource | None = None
    outside_reason: str | None = None
    zone: Zone | None = None
    fix_age_s: int | None = None

    def __post_init__(self) -> None:
        _limit("place.text", self.text, TEXT_LIMIT)
        check_code("place.outside_reason", self.outside_reason)
        if (self.lat is None) != (self.lon is None):
            raise _refuse("place.lon" if self.lon is None else "place.lat", "is missing beside the other coordinate")
        if self.lat is not None and not -90 <= self.lat <= 90:
            raise _refuse("place.lat", "is not a latitude in degrees")
        if self.lon is not None and not -180 <= self.lon <= 180:
            raise _refuse("place.lon", "is not a longitude in degrees")
        if self.accuracy_m is not None and not 0 <= self.accuracy_m <= 100_000:
            raise _refuse("place.accuracy_m", "is not an accuracy in metres")
        if self.text is None and self.lat is None:
            raise _refuse("place.text", "is needed, or coordinates", ProblemCode.MISSING_ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """The officer's attestations, never the record itself. `unknown` means: the records desk will check."""

    open_warrant: Answer = Answer.UNKNOWN
    safety_threat: Answer = Answer.UNKNOWN
    under_supervision: Answer = Answer.UNKNOWN
    disqualifying_record: Answer = Answer.UNKNOWN
    open_case: Answer = Answer.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """One person referred once. Immutable: later knowledge is an amendment, which makes a new one."""

    referral_id: ReferralId
    kind: Kind
    willing: Willing
    whereabouts: Whereabouts | None = None
    eta_at: datetime | None = None
    destination: str | None = None
    offence_codes: tuple[str, ...] = ()
    quantity: Quantity | None = None
    place: Place | None = None
    exclusions: Exclusions = Exclusions()
    safety_reason: str | None = None
    person: Person = Person()
    reach: Reach | None = None
    incident_number: str | None = field(default=None, repr=False)
    basis: Basis | None = None
    urgency: Urgency | None = None
    reason: str | None = None
    note: str | None = field(default=None, repr=False)
    language: str | None = None
    interpreter: bool | None = None
    immediate_need: tuple[Need, ...] = ()
    scene_id: str | None = field(default=None, repr=False)
    for_officer: UserId | None = None
    occurred_at: datetime | None = None
    pack: str | None = None
    form: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not _REFERRAL_ID.match(self.referral_id):
            raise _refuse("referral_id", "is not an id: 1 to 64 letters, digits, _ . : -")
        for path, code in (("destination", self.destination), ("safety_reason", self.safety_reason), ("reason", self.reason), ("language", self.language)):  # fmt: skip
            check_code(path, code)
        for path, text in (("incident_number", self.incident_number), ("scene_id", self.scene_id)):
            _limit(path, text, 64)
        _limit("note", self.note, NOTE_LIMIT)
        _limit("pack", self.pack, STAMP_LIMIT)
        check_user("for_officer", self.for_officer)
        aware("eta_at", self.eta_at)
        aware("occurred_at", self.occurred_at)
        self._check_offences()
        self._check_kind()
        if must_be_unnamed(self, None) and names_someone(self):
            raise _refuse("person.name", "must not be kept for this person", ProblemCode.NOT_RECORDED_HERE)

    def _check_offences(self) -> None:
        for i, code in enumerate(self.offence_codes):
            if not _OFFENCE.match(code):
                raise _refuse(f"offence_codes[{i}]", "is not a charge code like '4 3550' or '1A1111'")
        if len(set(self.offence_codes)) != len(self.offence_codes):
            raise _refuse("offence_codes", "names a code twice")
        if len(self.offence_codes) > 8:
            raise _refuse("offence_codes", "has more than 8 codes", ProblemCode.TOO_LONG)

    def _check_kind(self) -> None:
        if self.kind is Kind.ARREST:
            if self.whereabouts is None:
                raise _refuse(
                    "whereabouts", "is needed for an arrest: where is the person now?", ProblemCode.MISSING_ANSWER
                )
            if self.whereabouts is Whereabouts.WITH_ME:
                raise _refuse("whereabouts", "is for a social contact only")
            if self.note is not None:  # it would become a custodial statement
                raise _refuse("note", "is not taken on an arrest", ProblemCode.NOT_RECORDED_HERE)
            for path, value in (("basis", self.basis), ("urgency", self.urgency), ("reason", self.reason)):
                if value is not None:
                    raise _refuse(path, "is for a social contact only")
        elif self.whereabouts not in (None, Whereabouts.WITH_ME):
            raise _refuse("whereabouts", "of a social contact is with_me or left out")
        if self.whereabouts is not Whereabouts.COMING_IN and (self.eta_at or self.destination):
            raise _refuse("eta_at" if self.eta_at else "destination", "goes with whereabouts coming_in only")


def is_minor(referral: Referral, on: dt.date | None) -> bool:
    """True when the known birth says under 18; `on` is the day for a birth date (None: ages only)."""
    birth = referral.person.birth
    if birth is None:
        return False
    age = birth.age if on is None else birth.age_on(on)
    return age is not None and age < ADULT_AGE


def must_be_unnamed(referral: Referral, on: dt.date | None) -> bool:
    """A refusal is an unnamed tally, and no named LEAD record is made of anyone under 18 (product rules)."""
    return referral.willing is Willing.NO or is_minor(referral, on)


def names_someone(referral: Referral) -> bool:
    """True when the record holds anything that identifies the person."""
    person = referral.person
    dated = person.birth is not None and person.birth.date is not None
    return bool(person.name or person.descriptor or dated or referral.reach or referral.note)


def unnamed(referral: Referral, on: dt.date) -> Referral:
    """The same referral without name, descriptor, reach, note and birth date (an age in years stays)."""
    birth = referral.person.birth
    age = birth.age_on(on) if birth else None
    kept = Birth(age=max(age, 0)) if age is not None else birth
    return replace(referral, person=Person(birth=kept), reach=None, note=None)


def utc(moment: datetime) -> datetime:
    """The same moment in UTC, to the second: the only form of time that travels."""
    return moment.astimezone(UTC).replace(microsecond=0)
