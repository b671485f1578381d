"""Invented referrals at real blocks and corners of the pack, with real charge codes: for the demo, the tests, the benches.

Every person is made up and sounds made up. The same seed gives the same referrals. One is a JSON object in wire names, as
a line of `field-app record` takes it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from referral.model import Zone
from referral.programme import PACK_FILES, Block, Corner, Programme, load

ROOT = Path(__file__).resolve().parent.parent
PACK = ROOT / "assets" / "programmes" / "baltimore"
WORDINGS = ROOT / "tests" / "data" / "charge_descriptions_2013_2015.csv"

GIVEN = ("Testa", "Sampleton", "Mocka", "Fixtura", "Demo", "Trialle", "Pretendra", "Inventio", "Stubbs", "Dummetta")
FAMILY = ("Example", "Placeholt", "Notreal", "Invented", "Madeup", "Fabricant", "Imagina", "Synthetic", "Makebelieve")
DESCRIPTORS = ("grey coat, pulls a blue cart", "red cap, green rucksack", "yellow rain jacket", "long brown scarf")


@cache
def baltimore() -> Programme:
    """The Baltimore pack of this repository."""
    return load({name: (PACK / name).read_bytes() for name in PACK_FILES})


@cache
def wordings() -> tuple[dict[str, str], ...]:
    """How officers wrote drug and prostitution charges, with counts (arrest records of 2013-2015)."""
    return tuple(csv.DictReader(WORDINGS.read_text(encoding="utf-8").splitlines()))


def _place(rng: Random, pack: Programme) -> dict[str, Any]:
    places: list[Block | Corner] = [*pack.blocks, *pack.corners]
    near = [p for p in places if p.zone in (Zone.INSIDE, Zone.BOUNDARY)]
    far = [p for p in places if p.zone is Zone.OUTSIDE]
    place = rng.choice(near if rng.random() < 0.9 else far)
    out: dict[str, Any] = {"text": place.text, "lat": place.lat, "lon": place.lon, "source": "picked"}
    if place.zone is Zone.OUTSIDE:
        out["outside_reason"] = rng.choice(pack.choices["outside_reason"]).code
    return out


def _person(rng: Random) -> dict[str, Any]:
    person: dict[str, Any] = {}
    if rng.random() < 0.8:
        person["name"] = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    else:
        person["descriptor"] = rng.choice(DESCRIPTORS)
    age = rng.randint(19, 68)
    kind = rng.random()
    person["birth"] = {"date": f"{2025 - age}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"} if kind < 0.6 else {"age": age} if kind < 0.9 else {"adult": True}  # fmt: skip
    return person


def _reach(rng: Random) -> dict[str, Any]:
    how = rng.choice(["phone", "place", "through_someone", "none"])
    detail = {"phone": f"410-555-01{rng.randint(0, 99):02d}", "place": "mornings at the library steps", "through_someone": "ask at the shelter desk"}.get(how)  # fmt: skip
    return {"how": how, "permission": rng.choice(["ok", "ok", "ok_no_message", "do_not_contact"])} | (
        {"detail": detail} if detail else {}
    )


def arrest(rng: Random, pack: Programme) -> dict[str, Any]:
    """An arrest diversion with most questions answered."""
    row = rng.choices(wordings(), weights=[int(r["n"]) for r in wordings()])[0]
    out: dict[str, Any] = {
        "kind": "arrest_diversion",
        "offence_codes": [row["code"]],
        "quantity": rng.choice(["personal", "personal", "personal", "unknown", "more"]),
        "place": _place(rng, pack),
        "exclusions": {"open_warrant": "no", "safety_threat": "no"}
        if rng.random() < 0.9
        else {"open_warrant": "unknown"},
        "willing": rng.choices(["yes", "later", "not_asked", "cannot_answer"], [8, 1, 1, 1])[0],
        "whereabouts": rng.choices(
            ["coming_in", "case_manager_coming", "hospital", "booked", "released"], [6, 1, 1, 1, 1]
        )[0],
        "person": _person(rng),
        "reach": _reach(rng),
        "incident_number": f"26-{rng.randint(1, 999_999):06d}",
    }
    if out["whereabouts"] == "coming_in":
        eta = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=rng.randint(5, 600))
        out |= {"eta_at": eta.isoformat().replace("+00:00", "Z"), "destination": rng.choice(pack.destinations).code}
    return out


def social(rng: Random, pack: Programme) -> dict[str, Any]:
    """A social contact with most questions answered."""
    return {
        "kind": "social_contact",
        "willing": rng.choices(["yes", "later", "not_asked"], [6, 3, 1])[0],
        "person": _person(rng),
        "reach": _reach(rng),
        "place": _place(rng, pack),
        "basis": rng.choice(["observed", "third_party", "asked_for_help"]),
        "urgency": rng.choice(["today", "this_week", "routine"]),
        "reason": rng.choice(pack.choices["reason"]).code,
        "note": "Often near the market in the morning.",
    }


def referrals(n: int, seed: int = 1, *, ids: bool = True) -> Sequence[dict[str, Any]]:
    """`n` referrals in wire names, 6 in 10 social contacts as in the pilot's first months; with ids of their own when asked."""
    rng, pack = Random(seed), baltimore()
    out = []
    for i in range(n):
        one = social(rng, pack) if rng.random() < 0.6 else arrest(rng, pack)
        out.append({"referral_id": f"synthetic-{seed}-{i:05d}", **one} if ids else one)
    return out
