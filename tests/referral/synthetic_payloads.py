"""Varied synthetic referrals as payload bytes: what the envelope's size is measured on. Every person here is made up."""

from __future__ import annotations

import base64
import csv
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

from referral.model import (
    Answer,
    Basis,
    Birth,
    Exclusions,
    Kind,
    Need,
    Permission,
    Person,
    Place,
    PlaceSource,
    Quantity,
    Reach,
    ReachHow,
    Referral,
    ReferralId,
    Urgency,
    UserId,
    Whereabouts,
    Willing,
    Zone,
)
from referral.operations import Create, Op, Operation, encode

PACK = Path(__file__).parent.parent.parent / "assets" / "programmes" / "baltimore"
START = datetime(2026, 1, 5, tzinfo=UTC)

# Invented given and family names; none of them is in the preset dictionary.
GIVEN = [
    "Quillon",
    "Marvelle",
    "Tobias",
    "Oriane",
    "Zedrick",
    "Wilhelmina",
    "Casimir",
    "Yolande",
    "Ferris",
    "Anneliese",
    "Bartholomew",
    "Zoë",
    "Ximena",
    "Đức",
    "Søren",
    "Imogen",
]
FAMILY = [
    "Thistlewood",
    "Brackenbury",
    "Okonkwo-Vale",
    "Pellworth",
    "Zaragoza",
    "Quist",
    "Harrowgate",
    "Nguyễn",
    "Wexcombe",
    "Ostrander",
    "Lindqvist",
    "Fairweather",
    "Abara",
]
DESCRIPTORS = (
    "olive parka, hangs out by the fountain",
    "orange beanie and a long scarf, under the overpass",
    "purple tracksuit, pulls a small cart",
    "yellow raincoat, dozes outside the laundromat",
    "denim vest, silver bicycle, around the depot",
)
REACHES = {
    ReachHow.PLACE: (
        "Lexington Market, early",
        "night shelter on Fallsway, counter on the left",
        "stone bench facing the tram, evenings",
    ),
    ReachHow.THROUGH_SOMEONE: (
        "cousin Marvelle, 443-555-0142",
        "Oriane at the needle exchange van",
        "cashier of the corner store",
    ),
}
NOTES = (
    "Asked twice this week about a bed. Prefers to be met outside, in the afternoon.",
    "Shop owner called about someone sleeping in the doorway. Was friendly, took water.",
    "Has a small dog and will not leave it. Interested if the dog can come.",
)


@cache
def _rows(name: str) -> list[dict[str, str]]:
    with (PACK / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _time(rng: Random) -> datetime:
    return START + timedelta(seconds=rng.randrange(365 * 86_400))


def _phone(rng: Random) -> str:
    return f"{rng.choice(('410', '443', '667'))}-555-0{rng.randrange(100, 200)}"


def _place(rng: Random) -> Place:
    if rng.random() < 0.3:
        return Place(
            lat=round(rng.uniform(39.285, 39.2955), 6),
            lon=round(rng.uniform(-76.629, -76.614), 6),
            accuracy_m=float(rng.randrange(4, 60)),
            source=PlaceSource.GPS,
            zone=Zone.INSIDE,
            fix_age_s=rng.randrange(0, 90),
        )
    if rng.random() < 0.3:
        row = rng.choice(_rows("corners.csv"))
        text = f"{row['street_a']} & {row['street_b']}"
    else:
        row = rng.choice(_rows("blocks.csv"))
        text = f"{row['block'] if row['block'] != '0' else 'Unit'} block {row['street']}"
    outside = row["zone"] == "outside" and rng.random() < 0.5
    return Place(
        text=text,
        lat=float(row["lat"]),
        lon=float(row["lon"]),
        source=PlaceSource.PICKED,
        zone=Zone(row["zone"]),
        outside_reason=rng.choice(("lives_in_zone", "close_to_zone")) if outside else None,
    )


def _person(rng: Random) -> Person:
    born = date(1955, 1, 1) + timedelta(days=rng.randrange(18_000))
    birth = rng.choice((Birth(date=born), Birth(date=born), Birth(age=rng.randrange(19, 70)), Birth(adult=True)))
    if rng.random() < 0.75:
        return Person(name=f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}", birth=birth)
    return Person(descriptor=rng.choice(DESCRIPTORS), birth=birth)


def _reach(rng: Random) -> Reach:
    how = rng.choice((ReachHow.PHONE, ReachHow.PHONE, ReachHow.PLACE, ReachHow.THROUGH_SOMEONE, ReachHow.NONE))
    match how:
        case ReachHow.NONE:
            return Reach(how=how)
        case ReachHow.PHONE:
            detail = _phone(rng)
        case _:
            detail = rng.choice(REACHES[how])
    return Reach(how=how, detail=detail, permission=rng.choice((Permission.OK, Permission.OK, *Permission)))


def _id(rng: Random) -> ReferralId:
    return ReferralId(rng.randbytes(16).hex())  # the longest form an app would make: 32 hex digits


def typical_arrest(rng: Random) -> Referral:
    """An arrest with every common question answered: offence, place, both exclusions, whereabouts, person, reach, incident."""
    offences = [row for row in _rows("offences.csv") if row["divertible"] != "no"]
    codes = [rng.choice(("4 3550", "1 1111", "1 1093", "1 0573", rng.choice(offences)["code"]))]
    at = _time(rng)
    coming = rng.random() < 0.7
    return Referral(
        referral_id=_id(rng),
        kind=Kind.ARREST,
        willing=rng.choice((Willing.YES, Willing.YES, Willing.YES, Willing.LATER, Willing.CANNOT_ANSWER)),
        whereabouts=Whereabouts.COMING_IN
        if coming
        else rng.choice((Whereabouts.CASE_MANAGER_COMING, Whereabouts.BOOKED, Whereabouts.HOSPITAL)),
        eta_at=at + timedelta(minutes=rng.choice((10, 15, 20, 30))) if coming else None,
        destination="central_district" if coming else None,
        offence_codes=tuple(codes),
        quantity=None if codes == ["1 1093"] else Quantity.PERSONAL,
        place=_place(rng),
        exclusions=Exclusions(
            open_warrant=Answer.NO,
            safety_threat=Answer.NO,
            under_supervision=rng.choice((Answer.UNKNOWN, Answer.NO)),
        ),
        person=_person(rng),
        reach=_reach(rng),
        incident_number=f"{rng.choice('26')}6{rng.randrange(10**5, 10**6)}" if rng.random() < 0.7 else None,
        occurred_at=at,
        pack="baltimore/1",
        form=1,
    )


def full_arrest(rng: Random) -> Referral:
    """An arrest where even the rare questions are answered."""
    base = typical_arrest(rng)
    return replace(
        base,
        offence_codes=(*base.offence_codes, "2 0480"),
        exclusions=Exclusions(**dict.fromkeys(Exclusions.__slots__, Answer.NO)),
        person=replace(base.person, descriptor=rng.choice(DESCRIPTORS)),
        language="es",
        interpreter=True,
        immediate_need=(rng.choice(list(Need)), Need.MEDICAL) if rng.random() < 0.5 else (Need.PET,),
        scene_id=rng.randbytes(16).hex(),
        for_officer=UserId("officer.quist"),
    )


def shortest_arrest(rng: Random) -> Referral:
    """Only what Save needs."""
    return Referral(
        referral_id=_id(rng),
        kind=Kind.ARREST,
        willing=Willing.YES,
        whereabouts=Whereabouts.CASE_MANAGER_COMING,
        pack="baltimore/1",
        form=1,
    )


def social_contact(rng: Random) -> Referral:
    """A social contact, with a note now and then."""
    return Referral(
        referral_id=_id(rng),
        kind=Kind.SOCIAL,
        willing=rng.choice((Willing.YES, Willing.LATER)),
        whereabouts=Whereabouts.WITH_ME if rng.random() < 0.5 else None,
        place=_place(rng),
        person=_person(rng),
        reach=_reach(rng),
        basis=rng.choice(list(Basis)),
        urgency=rng.choice(list(Urgency)),
        reason=rng.choice(("overdose_response", "community_concern", "repeat_contact", "no_safe_place")),
        note=rng.choice(NOTES) if rng.random() < 0.3 else None,
        immediate_need=(rng.choice(list(Need)),) if rng.random() < 0.3 else (),
        occurred_at=_time(rng),
        pack="baltimore/1",
        form=1,
    )


def any_referral(rng: Random) -> Referral:
    """The mix of a working week: six typical arrests and three social contacts in ten, one sparse or complete in ten."""
    maker = rng.choice(
        (*(typical_arrest,) * 12, *(social_contact,) * 6, shortest_arrest, full_arrest),
    )
    return maker(rng)


def payload(referral: Referral, rng: Random) -> bytes:
    """The bytes that are sealed when this referral is created on a phone."""
    made_at = (referral.occurred_at or _time(rng)) + timedelta(seconds=rng.randrange(30, 600))
    return encode(
        Operation(
            op=Op.CREATE,
            referral_id=referral.referral_id,
            nonce=base64.urlsafe_b64encode(rng.randbytes(6)).decode(),
            made_at=made_at,
            made_by=UserId(f"officer{rng.randrange(1, 400)}"),
            mono_ms=rng.randrange(10**5, 10**9),
            offset_ms=rng.randrange(-3000, 3000),
            body=Create(referral=referral),
        )
    )
