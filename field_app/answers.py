"""From answers in wire form to a valid referral: the spelling people use, what is automatic, and what must not be kept.

The same path for a draft that is saved and for a line of JSONL, so that both hold the same rules:

- Spellings: `arrest` and `social` for the kinds; "43550", "4-3550" or "1a1111" for a charge code.
- Codes that the programme pack defines must be in it. Charge codes need the right shape only: the desk checks the rest.
- Unnamed (product rules): a refusal keeps no name, descriptor, reach, note or birth date; nor does anyone under 18.
- Automatic: the place's zone, the pack's stamp and the form's version, whatever the input says of them.

Pure: the day and the pack are arguments. Errors: FieldError with the wire path, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from referral.codec import from_wire
from referral.model import ADULT_AGE, Birth, Kind, Referral, Willing
from referral.place import zone_of
from referral.problems import FieldError, ProblemCode
from referral.programme import Programme

Json = Any

FORM_VERSION: Final = 1
KIND_WORDS: Final = {"arrest": Kind.ARREST.value, "social": Kind.SOCIAL.value}
PACK_FIELDS: Final = ("destination", "safety_reason", "reason", "language")
_BLANKLESS: Final = re.compile(r"(\d)[ _-]*(\d{4})\Z")


def charge_code(said: str) -> str:
    """The code as the catalogue writes it: upper case, one blank where the records have one ("43550" -> "4 3550")."""
    code = " ".join(said.upper().split())
    parts = _BLANKLESS.match(code)
    return f"{parts[1]} {parts[2]}" if parts else code


def spelled(wire: Json) -> dict[str, Json]:
    """The wire form with kinds and charge codes in their one spelling. Errors: malformed unless it is an object."""
    if not isinstance(wire, Mapping):
        raise FieldError("", ProblemCode.MALFORMED, "is not an object")
    out = dict(wire)
    if isinstance(out.get("kind"), str):
        out["kind"] = KIND_WORDS.get(out["kind"], out["kind"])
    if isinstance(out.get("offence_codes"), list):
        out["offence_codes"] = [charge_code(code) if isinstance(code, str) else code for code in out["offence_codes"]]
    return out


def complete(wire: Json, programme: Programme, today: date) -> Referral:
    """The referral in `wire`, valid and with its automatic fields. `today` is the officer's day."""
    referral = from_wire(Referral, _without_names(spelled(wire), today))
    check_codes(referral, programme)
    place = referral.place
    if place is not None:
        place = replace(place, zone=zone_of(place, programme))
    return replace(referral, place=place, pack=programme.stamp, form=FORM_VERSION)


def check_codes(referral: Referral, programme: Programme) -> None:
    """Refuse a code that the pack does not define."""
    for name in PACK_FIELDS:
        check_choice(name, getattr(referral, name), programme)
    if referral.place is not None:
        check_choice("outside_reason", referral.place.outside_reason, programme, "place.outside_reason")


def check_choice(name: str, code: str | None, programme: Programme, path: str | None = None) -> None:
    """Refuse `code` unless the pack's list `name` has it; None is no code."""
    if code is not None and programme.choice(name, code) is None:
        codes = ", ".join(choice.code for choice in programme.choices.get(name, ()))
        raise FieldError(path or name, ProblemCode.INVALID_VALUE, f"is not in the programme's list: {codes}")


def _without_names(wire: dict[str, Json], today: date) -> dict[str, Json]:
    """Take off what identifies someone who must stay unnamed, before any record of them exists."""
    person = wire.get("person")
    told = person.get("birth") if isinstance(person, Mapping) else None
    birth = from_wire(Birth, told, "person.birth") if told is not None else None
    if birth is not None and birth.date is not None and birth.date > today + timedelta(days=1):
        raise FieldError("person.birth.date", ProblemCode.INVALID_VALUE, "is in the future")
    age = birth.age_on(today) if birth is not None else None
    if wire.get("willing") != Willing.NO.value and (age is None or age >= ADULT_AGE):
        return wire
    out = {key: value for key, value in wire.items() if key not in ("person", "reach", "note")}
    if age is not None:
        out["person"] = {"birth": {"age": max(age, 0)}}
    elif birth is not None:
        out["person"] = {"birth": {"adult": True}}
    return out
